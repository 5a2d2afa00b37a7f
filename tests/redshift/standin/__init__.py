"""PostgreSQL in the place of Redshift, for tests: see docs/redshift.md."""

from standin.s3 import LoopbackS3
from standin.server import RedshiftStandin

__all__ = ["LoopbackS3", "RedshiftStandin"]
