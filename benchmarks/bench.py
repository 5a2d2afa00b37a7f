"""Benchmark of the whole way from event files to personas: seconds, memory, size of the warehouse.

    make bench                                                      # seven months of sample events
    make bench EVENTS=folder                                        # your own .csv.gz, up to seven
    make bench EVENTS=folder ARGS="--state file --only zcat,month-1"
    make bench ARGS=--help                                          # options and steps

Each step is a process of its own, whose peak memory the operating system reports. After each step
what was measured goes to the file of --state, and benchmarks/RESULTS.md and
docs/images/benchmark.png are written anew from it. Run again with the same file, the bench skips
what is measured; --only measures some steps again. One warehouse exists at a time: a step that
needs another than the last one left has it built first, without timing it.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from isal import igzip

BENCHMARKS = Path(__file__).resolve().parent
PROJECT = BENCHMARKS.parent
BIN = Path(sys.executable).parent
DBT = str(BIN / "dbt")
# set by hand, so that as many customers have a segment whatever is measured
VARS = ["--vars", "{min_events: 5}"]
# as `make build` does it
BUILD = ["build", "--target", "duckdb", "--exclude-resource-type", "unit_test", *VARS]

MONTHS = 7
ENGINES = ("duckdb", "polars", "chdb", "pandas")
# of DuckDB, and little; Python models and the process itself come on top
MEMORY_LIMIT = "4GB"
SCORED_USERS = 15_000_000
# a constant, because the order of the pseudonyms decides which users train the model
KEY = "a key for benchmarks, of more than 32 characters"


def months(first: int, last: int) -> tuple[int, ...]:
    """Return the numbers of the months from first to last."""
    return tuple(range(first, last + 1))


@dataclass(frozen=True)
class Build:
    """One dbt build to be measured.

    Attributes:
        files: Numbers of the months whose files are there, from 1.
        before: For each build that the warehouse has seen before, the same; none: from nothing.
    """

    files: tuple[int, ...]
    before: tuple[tuple[int, ...], ...] = ()

    @property
    def months_needed(self) -> int:
        """How many event files there must be."""
        return max(self.files)


BUILDS = {
    "month-1": Build(months(1, 1)),
    "month-1-again": Build(months(1, 1), before=(months(1, 1),)),
    "months-2": Build(months(1, 2)),
    "months-4": Build(months(1, 4)),
    "months-6": Build(months(1, 6)),
    "month-7-after-6": Build(months(1, 7), before=(months(1, 6),)),
    "months-7-again": Build(months(1, 7), before=(months(1, 6), months(1, 7))),
    "month-7-alone": Build(months(7, 7)),
    "months-7": Build(months(1, 7)),
}
STEPS = ("rows", "zcat", *ENGINES, *BUILDS, "scoring")


class StepError(Exception):
    """A step whose command failed."""


def run(
    command: list[str], log: Path, environment: dict[str, str] | None = None, keep: bool = True
) -> dict[str, float]:
    """Run a command to success and measure it.

    Its output goes to the log, errors beside it, and nowhere with keep=False. The peak is that of
    the largest process: of the command, and of those it started and waited for.

    Raises:
        StepError: The command failed; the message ends with what it said last.
    """
    errors = log.with_suffix(".err")
    output = log if keep else Path(os.devnull)
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=stdout, stderr=stderr
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                process.kill()
        seconds = time.perf_counter() - began
    if process.returncode:
        said = (output.read_text() if keep else "") + errors.read_text()
        raise StepError(
            f"{Path(command[0]).name} {command[1]} ended with {process.returncode}:\n{said[-2000:]}"
        )
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        # Linux counts in KiB
        "peak_bytes": usage.ru_maxrss * 1024,
    }


class Bench:
    """The steps, on some event files, in a scratch folder, with a state that outlives a run."""

    def __init__(self, files: list[Path], state: dict, save: Callable, scratch: Path) -> None:
        """Keep what every step needs."""
        self.files = files
        self.state = state
        self.save = save
        self.scratch = scratch
        self.warehouse = scratch / "warehouse.duckdb"
        self.target = scratch / "target"

    def measure(self, name: str) -> dict:
        """Run a step and return what is to be written down."""
        if name == "rows":
            return {"files": {file.name: count_rows(file) for file in self.files}}
        if name == "zcat":
            return self.zcat()
        if name in ENGINES:
            return self.reference(name)
        if name in BUILDS:
            return self.build(BUILDS[name], name)
        return self.scoring(self.state["scored_users"])

    def zcat(self) -> dict:
        """Decompress each file to nowhere."""
        log = self.scratch / "zcat.log"
        return {
            "files": {file.name: run(["zcat", str(file)], log, keep=False) for file in self.files}
        }

    def reference(self, engine: str) -> dict:
        """Aggregate the first month with one engine; its totals must be those of the others."""
        log = self.scratch / f"{engine}.log"
        script = str(BENCHMARKS / "references.py")
        measured = run([sys.executable, script, engine, str(self.files[0])], log)
        totals = json.loads(log.read_text())
        for other in ENGINES:
            others = self.state["steps"].get(other, {}).get("totals", totals)
            if other != engine and others != totals:
                raise SystemExit(f"{engine} and {other} disagree:\n{totals}\n{others}")
        return measured | {"totals": totals}

    def build(self, build: Build, name: str) -> dict:
        """Bring the warehouse to where the build starts, and measure the build."""
        self.prepare(build.before)
        measured = self.dbt_build(build.files, name)
        results = json.loads((self.target / "run_results.json").read_text())["results"]
        return measured | {
            "memory_limit": MEMORY_LIMIT,
            "warehouse_bytes": self.warehouse.stat().st_size,
            "nodes": {result["unique_id"]: result["execution_time"] for result in results},
        }

    def prepare(self, before: tuple[tuple[int, ...], ...]) -> None:
        """Have a warehouse that has seen these builds and no other."""
        wanted = [list(files) for files in before]
        if before and self.warehouse.exists() and self.state["warehouse"] == wanted:
            return
        self.remove_warehouse()
        for files in before:
            say(f"  not timed: a build of {len(files)} months")
            self.dbt_build(files, "not-timed")

    def remove_warehouse(self) -> None:
        """Delete the warehouse and what dbt wrote about it."""
        self.state["warehouse"] = None
        for path in self.scratch.glob("warehouse.duckdb*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(self.target, ignore_errors=True)

    def dbt_build(self, files: tuple[int, ...], name: str) -> dict:
        """Run `dbt build` over the files of these months."""
        events = self.scratch / "events"
        shutil.rmtree(events, ignore_errors=True)
        events.mkdir()
        for number in files:
            file = self.files[number - 1]
            (events / file.name).symlink_to(file)
        seen = self.state["warehouse"] or []
        # a build that is interrupted leaves a warehouse that nothing can be measured on
        self.state["warehouse"] = None
        self.save()
        measured = run([DBT, *BUILD], self.scratch / f"{name}.log", self.environment())
        self.state["warehouse"] = seen if seen[-1:] == [list(files)] else [*seen, list(files)]
        return measured

    def environment(self) -> dict[str, str]:
        """Return the environment of a dbt command that touches nothing but the scratch folder."""
        shutil.copy(PROJECT / "profiles.yml.example", self.scratch / "profiles.yml")
        return os.environ | {
            "AMAZING_EVENTS": str(self.scratch / "events"),
            "AMAZING_MEMORY_LIMIT": MEMORY_LIMIT,
            "AMAZING_PSEUDONYM_KEY": KEY,
            "AMAZING_WAREHOUSE": str(self.warehouse),
            "DBT_LOG_PATH": str(self.scratch / "logs"),
            "DBT_PROFILES_DIR": str(self.scratch),
            "DBT_TARGET_PATH": str(self.target),
        }

    def scoring(self, users: int) -> dict:
        """Score made-up users with the SQL of user_segments; compare with scikit-learn."""
        if len(self.state["warehouse"] or []) != 1 or not self.warehouse.exists():
            # the check fits on the users that trained the model: those of a build from nothing
            self.prepare((months(1, len(self.files)),))
        database = self.scratch / "scoring.duckdb"
        database.unlink(missing_ok=True)
        script = [sys.executable, str(BENCHMARKS / "scoring.py")]
        rest = [str(self.warehouse), str(self.compiled("user_segments")), str(database)]
        options = ["--users", str(users), "--memory-limit", MEMORY_LIMIT]
        found = {}
        for part in ("prepare", "score", "compare"):
            log = self.scratch / f"scoring-{part}.log"
            measured = run([*script, part, *rest, *options], log)
            # the part's own seconds: they leave out what it needs to start
            found[part] = measured | json.loads(log.read_text())
        database.unlink()
        for part, result in found.items():
            if result["users"] != users:
                raise StepError(f"{part} knew {result['users']} users of {users}")
        return found["score"] | {"comparison": found["compare"], "memory_limit": MEMORY_LIMIT}

    def compiled(self, model: str) -> Path:
        """Compile a model as a full refresh runs it; return the file of its SQL."""
        target = self.scratch / "target-compiled"
        environment = self.environment() | {"DBT_TARGET_PATH": str(target)}
        command = ["compile", "--target", "duckdb", "--full-refresh", "--select", model, *VARS]
        run([DBT, *command], self.scratch / "compile.log", environment)
        (sql,) = (target / "compiled").rglob(f"models/**/{model}.sql")
        return sql


def count_rows(file: Path) -> int:
    """Return the number of lines after the header."""
    lines, last = 0, b"\n"
    with igzip.open(file) as stream:
        while chunk := stream.read(1 << 22):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return lines - (last == b"\n")


def months_needed(step: str) -> int:
    """Return how many event files a step needs."""
    return BUILDS[step].months_needed if step in BUILDS else 1


def machine() -> dict[str, str | int]:
    """Return what the figures depend on."""
    cpu = Path("/proc/cpuinfo").read_text().partition("model name")[2].split("\n")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    packages = ("dbt-core", "dbt-duckdb", "duckdb", "polars", "chdb", "pandas", "scikit-learn")
    return {
        "cores": os.cpu_count() or 0,
        "cpu": cpu.strip(" \t:") or platform.machine(),
        "memory_bytes": memory,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
    }


def sample_files(users: int, scratch: Path) -> list[Path]:
    """Return seven months of sample events, written where there are none."""
    folder = scratch / f"sample-{users}"
    if not folder.exists():
        unfinished = scratch / "sample-unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [str(BIN / "amazing-segments"), "sample-events", "--out", str(unfinished)]
        command += ["--users", str(users), "--start", "2019-10-01", "--months", str(MONTHS)]
        run(command, scratch / "sample.log")
        unfinished.rename(folder)
    return event_files(folder)


def find_files(arguments: argparse.Namespace, scratch: Path) -> tuple[list[Path], str]:
    """Return the event files and what they are."""
    if arguments.events:
        return event_files(arguments.events), "event files given by `--events`"
    files = sample_files(arguments.users, scratch)
    return files, f"sample events of {arguments.users:,} invented customers"


def event_files(folder: Path) -> list[Path]:
    """Return the first seven event files of a folder, in the order of their first events."""
    # names need not be in that order: 2019-Dec stands before 2019-Oct
    files = sorted(folder.resolve().glob("*.csv.gz"), key=first_event_time)
    if not files:
        raise SystemExit(f"{folder} holds no .csv.gz file")
    return files[:MONTHS]


def first_event_time(file: Path) -> bytes:
    """Return the time of the first event as it is written."""
    with igzip.open(file) as stream:
        stream.readline()
        return stream.readline().partition(b",")[0]


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=f"Steps, in their order: {', '.join(STEPS)}.",
    )
    parser.add_argument("--events", type=Path, help="folder of monthly event files, .csv.gz")
    parser.add_argument(
        "--users", type=int, default=200_000, help="customers of the sample, without --events"
    )
    parser.add_argument(
        "--state", type=Path, help="JSON file of what is measured: read if it is there, and kept"
    )
    parser.add_argument("--only", default="", help="steps to measure, again if need be: a,b")
    parser.add_argument(
        "--scored-users", type=int, default=SCORED_USERS, help="users of the step scoring"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the scratch folder, beside the file of --state"
    )
    parsed = parser.parse_args(arguments)
    parsed.only = [name for name in parsed.only.split(",") if name]
    unknown = sorted(set(parsed.only) - set(STEPS))
    if unknown:
        parser.error(f"unknown steps: {', '.join(unknown)}")
    if parsed.keep and not parsed.state:
        parser.error("--keep needs --state")
    return parsed


def open_state(file: Path, files: list[Path], source: str, scored_users: int) -> dict:
    """Return what was measured before, on the same files, or an empty state."""
    state = {"steps": {}, "warehouse": None}
    if file.exists():
        state = json.loads(file.read_text())
    sizes = {path.name: path.stat().st_size for path in files}
    if state.setdefault("files", sizes) != sizes:
        raise SystemExit(f"{file} is of other event files: give another --state")
    return state | {"source": source, "scored_users": scored_users, "machine": machine()}


def run_steps(bench: Bench, only: list[str], report: Callable) -> bool:
    """Measure what is wanted and not yet measured; return whether nothing failed."""
    steps = bench.state["steps"]
    for name in STEPS:
        is_measured = name in steps and "failed" not in steps[name]
        if name not in (only or STEPS) or (is_measured and not only):
            continue
        if months_needed(name) > len(bench.files):
            say(f"{name}: needs {months_needed(name)} months, there are {len(bench.files)}")
            continue
        say(f"{name} …")
        try:
            measured = bench.measure(name)
        except StepError as error:
            say(str(error))
            measured = {"failed": str(error).splitlines()[0].rstrip(":")}
        steps[name] = measured | {"measured_on": f"{datetime.now(tz=UTC):%Y-%m-%d}"}
        bench.save()
        report()
        if "seconds" in measured:
            say(f"  {measured['seconds']:.1f} s")
    return not any("failed" in step for step in steps.values())


def main() -> None:
    """Run the benchmark."""
    arguments = parse(sys.argv[1:])
    # so that a terminated bench takes its running step along
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with tempfile.TemporaryDirectory() as temporary:
        file = (arguments.state or Path(temporary, "bench.json")).resolve()
        scratch = file.with_suffix(".work")
        scratch.mkdir(parents=True, exist_ok=True)
        files, source = find_files(arguments, scratch)
        state = open_state(file, files, source, arguments.scored_users)

        def save() -> None:
            unfinished = file.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(state, indent=1))
            unfinished.replace(file)

        def report() -> None:
            # apart, so that this process stays small: a child's peak is never below its parent's
            command = [sys.executable, str(BENCHMARKS / "report.py"), str(file)]
            run(command, scratch / "report.log")

        save()
        succeeded = run_steps(Bench(files, state, save, scratch), arguments.only, report)
        report()
        if succeeded and not arguments.keep:
            state["warehouse"] = None
            save()
            shutil.rmtree(scratch)
    say("Written: benchmarks/RESULTS.md, docs/images/benchmark.png")
    if not succeeded:
        raise SystemExit("A step failed: see above.")


if __name__ == "__main__":
    main()
