"""The `redshiftpy` adapter: dbt-redshift, and dbt Python models with it."""

from dbt.adapters.base import AdapterPlugin

from dbt.adapters.redshiftpy.impl import RedshiftpyAdapter, RedshiftpyCredentials
from dbt.include import redshiftpy

Plugin = AdapterPlugin(
    adapter=RedshiftpyAdapter,
    credentials=RedshiftpyCredentials,
    include_path=redshiftpy.PACKAGE_PATH,
    dependencies=["redshift"],
)
