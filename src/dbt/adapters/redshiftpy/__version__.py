"""dbt asks each adapter for its version."""

version = "1.11.0"
