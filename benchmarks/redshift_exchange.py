"""How fast Python models exchange rows with Redshift, by either way, against the stand-in.

    .venv/bin/python benchmarks/redshift_exchange.py --rows 1000000

PostgreSQL, the proxy and S3 run on the same machine, so that the figures compare the two ways and
bound the memory of dbt; they do not foretell a cluster.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT / "tests" / "redshift"))

from projects import PROFILE  # noqa: E402
from standin import LoopbackS3, RedshiftStandin  # noqa: E402

COLUMNS = (
    *((f"whole_{n}", "bigint", f"range * {n + 1}") for n in range(10)),
    *((f"money_{n}", "decimal(18, 2)", f"range / {n + 1}") for n in range(5)),
    *((f"number_{n}", "double precision", f"sqrt(range + {n})") for n in range(10)),
    *((f"text_{n}", "varchar(64)", f"'text ' || range % {n + 100}") for n in range(3)),
    ("moment", "timestamp", "timestamp '2020-01-01' + range * interval 1 second"),
    ("truth", "boolean", "range % 2 = 0"),
)
WRITTEN = """
def model(dbt, session):
    dbt.config(materialized="table")
    return session.sql("select {columns} from range({rows})")
"""
READ = """
def model(dbt, session):
    dbt.config(materialized="table")
    return dbt.ref("written").aggregate("count(*) as row_count")
"""


def measure(folder: Path, rows: int) -> None:
    """Run the models in a process of their own and print rows a second and peak memory."""
    columns = ", ".join(f"cast({sql} as {kind}) as {name}" for name, kind, sql in COLUMNS)
    (folder / "models").mkdir(exist_ok=True)
    (folder / "dbt_project.yml").write_text("{name: small, config-version: 2, profile: small}")
    (folder / "profiles.yml").write_text(PROFILE)
    (folder / "models" / "written.py").write_text(WRITTEN.format(columns=columns, rows=rows))
    (folder / "models" / "read.py").write_text(READ)
    run = subprocess.Popen(
        [PROJECT / ".venv" / "bin" / "dbt", "--quiet", "run"], cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(run.pid, 0)
    if status:
        sys.exit(f"dbt failed: see {folder}/logs/dbt.log")
    results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    seconds = {
        result["unique_id"].rsplit(".", 1)[1]: result["execution_time"] for result in results
    }
    way = "bucket" if os.environ.get("REDSHIFT_STAGING") else "wire"
    for name in ("read", "written"):
        print(f"{way}: {name} {rows / seconds[name]:,.0f} rows a second ({seconds[name]:.1f} s)")
    print(f"{way}: peak {usage.ru_maxrss / 1024:,.0f} MiB")


def main() -> None:
    """Measure both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    os.environ["REDSHIFT_SCHEMA"] = "exchange"
    with LoopbackS3() as s3, RedshiftStandin() as standin:
        os.environ.update(s3.environment | standin.environment)
        for staging in ("s3://lake/staging", ""):
            os.environ["REDSHIFT_STAGING"] = staging
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder), rows)


if __name__ == "__main__":
    main()
