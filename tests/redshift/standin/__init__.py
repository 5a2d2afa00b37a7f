"""PostgreSQL in the place of Redshift, for tests: see README.md beside this file."""

from standin.server import RedshiftStandin

__all__ = ["RedshiftStandin"]
