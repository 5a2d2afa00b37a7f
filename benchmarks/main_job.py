"""Time and memory of the main job on sample events: all months, nothing new, one month more.

    .venv/bin/python benchmarks/main_job.py --users 50000

Each step is a `dbt build` as `make build` runs it, in a folder that is removed at the end. The
ratio is to the first step of the same run; the reference is `zcat` of the same files.
"""

import argparse
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from amazing_segments.sample_events import write_sample_events

PROJECT = Path(__file__).parents[1]
MONTHS = 7


def run(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command to success; return its seconds and its peak memory in MiB."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"{' '.join(command)} failed; its log is in {environment['DBT_LOG_PATH']}")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    """Print the table of steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=50_000)
    users = parser.parse_args().users
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events")
        events.mkdir()
        written = write_sample_events(users, date(2019, 10, 1), MONTHS + 1, 1, events)
        last = written.files[-1].rename(Path(folder, written.files[-1].name))
        shutil.copy(PROJECT / "profiles.yml.example", Path(folder, "profiles.yml"))
        environment = os.environ | {
            "AMAZING_EVENTS": str(events),
            "AMAZING_WAREHOUSE": str(Path(folder, "warehouse.duckdb")),
            "AMAZING_PSEUDONYM_KEY": secrets.token_hex(32),
            "DBT_PROFILES_DIR": folder,
            "DBT_TARGET_PATH": str(Path(folder, "target")),
            "DBT_LOG_PATH": str(Path(folder, "logs")),
        }
        dbt = str(Path(sys.executable).with_name("dbt"))
        build = [dbt, "build", "--exclude-resource-type", "unit_test"]
        zcat = run(["zcat", *map(str, written.files[:-1])], environment)
        steps = {f"{MONTHS} months, from nothing": run(build, environment)}
        steps["nothing new"] = run(build, environment)
        last.rename(events / last.name)
        steps["one month more"] = run(build, environment)
    first = steps[f"{MONTHS} months, from nothing"][0]
    print(f"{users:,} users, {written.rows:,} rows in {MONTHS + 1} months\n")
    print("| step | seconds | ratio to the first | peak MiB |\n|---|---|---|---|")
    print(f"| zcat of the {MONTHS} files | {zcat[0]:.1f} | {zcat[0] / first:.2f} | |")
    for step, (seconds, peak) in steps.items():
        print(f"| {step} | {seconds:.1f} | {seconds / first:.2f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
