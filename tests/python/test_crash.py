"""A build that is killed, or finds the disk full, breaks nothing, and the next one makes up for it.

Builds that are to end so run in a process of their own, forked from this one, which knows the
project already.
"""

import gc
import os
import re
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from test_replay import PAST, PIECE_COUNT, SELECT, World, all_rows, event
from warehouses import QuickWarehouse, parsing_options

from amazing_segments import event_files
from amazing_segments import warehouse as plugin

FIRST = "the start"
LAST = "the end"
# in place of seconds: as soon as the step has committed something
COMMIT = -1.0
DEADLINE_SECONDS = 60
# the file is closed in the last one
SHORT_STEPS = ("int_sessions", "int_users", LAST)
A, B, C = (range(first, PIECE_COUNT, 3) for first in range(3))
# what may come in the place of A: fewer sessions, but other events of some, and copies of B
FEWER = [*A[1::2], *B[::2], *(PIECE_COUNT + piece for piece in C[::3])]
WRONG = event("2019-10-20 10:00:00", 13, "n", kind="look")
# over several tables, of which some may be old, some new
VIEWS = ("intermediate.int_events", "marts.user_features")

Moment = tuple[str, float]
"""A step of a build, and the seconds since it began."""


class Build:
    """A build in a process of its own, which tells when a step begins: a node, or a file in one."""

    def __init__(
        self, warehouse: QuickWarehouse, *options: str, most_file_bytes: int | None = None
    ) -> None:
        self.said = warehouse.folder / "said"
        self.log = log_of(warehouse)
        # dbt's parser has threads, which a fork does not take along
        assert parsing_options(list(options)) in warehouse.manifests
        warehouse.close()
        # freed in the child, a database of this process would wait for threads that are not there
        gc.collect()
        told, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.run(warehouse, options, most_file_bytes, tell)
        os.close(tell)
        self.told = os.fdopen(told)

    def run(
        self,
        warehouse: QuickWarehouse,
        options: tuple[str, ...],
        most_file_bytes: int | None,
        tell: int,
    ) -> None:
        status = 1
        try:
            gc.freeze()
            signal.alarm(DEADLINE_SECONDS)
            if most_file_bytes:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_file_bytes, most_file_bytes))
            invoke = warehouse.invoke
            open_file = plugin.EventFileReader.open

            def telling_open(reader, path: str) -> bool:
                is_open = open_file(reader, path)
                os.write(tell, f"{Path(path).name}\n".encode())
                return is_open

            def telling(arguments, callback):
                def listen(message) -> None:
                    if message.info.name == "NodeStart":
                        os.write(tell, f"{message.data.node_info.node_name}\n".encode())
                    callback(message)

                return invoke(arguments, listen)

            warehouse.invoke = telling
            plugin.EventFileReader.open = telling_open
            result, said = warehouse.try_dbt(*SELECT, *options)
            self.said.write_text(said)
            os.write(tell, f"{LAST}\n".encode())
            warehouse.close()
            status = int(not result.success)
        except BaseException as error:
            self.said.write_text(repr(error))
        finally:
            os._exit(status)

    def steps(self) -> list[Moment]:
        """Wait for the end; return when each step began, and at last when it was over."""
        began_at = time.monotonic()
        steps = [(FIRST, 0.0)]
        for line in self.told:
            steps.append((line.rstrip("\n"), time.monotonic() - began_at))
        assert self.wait() == 0, self.said.read_text()
        return [*steps, ("", time.monotonic() - began_at)]

    def kill(self, moment: Moment) -> str | None:
        """Kill it at a moment; return the step that it was at, nothing if it had ended."""
        step, seconds = moment
        at = FIRST
        for line in self.told if step != FIRST else ():
            at = line.rstrip("\n")
            if at == step:
                break
        if seconds == COMMIT:
            self.await_commit()
        else:
            time.sleep(seconds)
        os.kill(self.pid, signal.SIGKILL)
        at = [at, *self.told.read().splitlines()][-1]
        status = self.wait()
        assert status in (0, -signal.SIGKILL), self.said.read_text()
        return at if status else None

    def await_commit(self) -> None:
        """Wait until the log grew and rests: before, the commit is not complete."""
        sizes = [self.log_bytes()] * 2
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (sizes[-1] == sizes[0] or sizes[-1] != sizes[-2]) and time.monotonic() < deadline:
            time.sleep(0.0003)
            sizes.append(self.log_bytes())

    def log_bytes(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def wait(self) -> int:
        """Wait for the end; return 0, or a number above for an error, below for a signal."""
        self.told.read()
        self.told.close()
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


def spread_over(steps: list[Moment], number: int, random: Random) -> list[Moment]:
    """Draw moments that are spread over a build.

    They are told from the beginning of a step, for how fast the machine is changes.
    """
    drawn = [(index + random.random()) / number * steps[-1][1] for index in range(number)]
    return [
        (step, moment - begins_at)
        for moment in drawn
        for (step, begins_at), (_, ends_at) in pairwise(steps)
        if begins_at <= moment < ends_at
    ]


def within(steps: list[Moment], names: tuple[str, ...], random: Random) -> list[Moment]:
    """Draw a moment soon after the beginning of each of some steps."""
    return [
        (step, random.uniform(0, (ends_at - begins_at) / 4))
        for (step, begins_at), (_, ends_at) in pairwise(steps)
        if step in names
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        # several parts a file
        patch.setattr(event_files, "CHUNK_BYTES", 1 << 12)
        patch.setattr(event_files, "PART_BYTES", 100_000)
        yield World(tmp_path_factory.mktemp("world"))


def write(world: World, warehouse: QuickWarehouse, **files: list[int] | range) -> None:
    """Write files of these pieces, each with a line that will be rejected."""
    for name, content in files.items():
        warehouse.write_events(f"{name}.csv.gz", [*world.lines(content), WRONG])


def copy_of(world: World, warehouse: QuickWarehouse) -> QuickWarehouse:
    warehouse.close()
    copy = world.new_warehouse()
    shutil.copy(warehouse.path, copy.path)
    shutil.copy(warehouse.folder / "profiles.yml", copy.folder)
    shutil.copytree(warehouse.events, copy.events, dirs_exist_ok=True)
    return copy


def checkpoint_often(warehouse: QuickWarehouse) -> None:
    profile = warehouse.folder / "profiles.yml"
    text = profile.read_text()
    changed = text.replace(
        "      settings:\n", "      settings:\n        wal_autocheckpoint: 64KB\n"
    )
    assert text != changed
    profile.write_text(changed)


def content(warehouse: QuickWarehouse) -> dict[str, list[tuple]]:
    """Return what is in the tables, and which there are."""
    ledger, rejected, relations = warehouse.rows_of(
        [
            "select source_file, state, content_sha256, same_content_as, row_count, kept_count, "
            "duplicate_count, rejected_count, reload_requested_at "
            "from staging.stg_event_files order by all",
            "select source_file, line_number, reason, line "
            "from staging.stg_rejected_event_lines order by all",
            "select table_schema, table_name from information_schema.tables order by all",
        ]
    )
    return {
        "ledger": ledger,
        "rejected lines": rejected,
        **all_rows(warehouse),
        "relations": relations,
    }


def assert_same(warehouse: QuickWarehouse, expected: dict[str, list[tuple]], about: object) -> None:
    for table, rows in content(warehouse).items():
        assert rows == expected[table], (table, about)
    assert not parts_of(warehouse).exists(), about


def assert_whole(warehouse: QuickWarehouse, about: object) -> None:
    """Assert that there are whole files and nothing else, and no session or customer twice."""
    query = "select table_name from information_schema.tables"
    tables = {name for (name,) in warehouse.rows(query)}
    if "stg_events" in tables:
        not_whole = warehouse.rows(
            """
            select *
            from (select * from staging.stg_event_files where state = 'loaded') as files
            full join (
                select source_file, loaded_at, count(*) as row_count
                from staging.stg_events group by all
            ) as events using (source_file, loaded_at)
            full join (
                select source_file, loaded_at, count(*) as row_count
                from staging.stg_rejected_event_lines group by all
            ) as rejected using (source_file, loaded_at)
            where
                files.kept_count is distinct from coalesce(events.row_count, 0)
                or files.rejected_count is distinct from coalesce(rejected.row_count, 0)
            """
        )
        assert not not_whole, about
    for table, key in (("int_sessions", "session_key"), ("int_users", "user_key")):
        if table in tables:
            query = f"select count(*) = count(distinct {key}) from intermediate.{table}"
            assert warehouse.rows(query) == [(True,)], (table, about)


def log_of(warehouse: QuickWarehouse) -> Path:
    return Path(f"{warehouse.path}.wal")


def parts_of(warehouse: QuickWarehouse) -> Path:
    return Path(f"{warehouse.path}.parts")


def kill_and_repeat(
    world: World,
    before: QuickWarehouse,
    random: Random,
    moments_in: Callable[[list[Moment]], list[Moment]],
    *,
    most_in_a_row: int = 1,
    options: tuple[str, ...] = (),
    repeat_options: tuple[str, ...] = (),
    expected: dict[str, list[tuple]] | None = None,
) -> list[str]:
    """Kill builds, one or more of a warehouse, and repeat the last of them.

    Unless something else is expected, that gives what a build gives that was not killed.
    Returns the steps at which builds were killed.
    """
    unkilled = copy_of(world, before)
    steps = Build(unkilled, *options).steps()
    place = {step: number for number, (step, _) in enumerate(steps)}
    moments = moments_in(steps)
    random.shuffle(moments)
    expected = expected or content(unkilled)
    killed_at: list[str] = []
    while moments:
        warehouse = copy_of(world, before)
        about: list[tuple] = []
        number = random.randint(1, most_in_a_row)
        row, moments = moments[:number], moments[number:]
        # a file that was loaded is no step of the next build
        for moment in sorted(row, key=lambda moment: place[moment[0]]):
            step = Build(warehouse, *options).kill(moment)
            about.append((moment, step))
            assert_whole(warehouse, about)
            if step:
                killed_at.append(step)
        warehouse.dbt(*SELECT, *repeat_options)
        assert_same(warehouse, expected, about)
        shutil.rmtree(warehouse.folder)
    return killed_at


def test_a_killed_build_repeated_equals_one_that_was_not(world: World) -> None:
    random = Random(1)
    nothing = world.new_warehouse()
    write(world, nothing, a=A, b=B)
    known = world.new_warehouse()
    checkpoint_often(known)
    write(world, known, a=A)
    known.dbt(*SELECT)
    write(world, known, b=B, c=C)

    def moments_in(steps: list[Moment]) -> list[Moment]:
        return [*spread_over(steps, 10, random), *within(steps, SHORT_STEPS, random)]

    killed_at = [
        step
        for before in (nothing, known)
        for step in kill_and_repeat(world, before, random, moments_in, most_in_a_row=4)
    ]
    assert len(killed_at) >= 20
    assert {"b.csv.gz", *SHORT_STEPS} <= set(killed_at)


def test_raw_events_that_a_killed_build_leaves_are_gone_after_the_next(world: World) -> None:
    warehouse = world.new_warehouse()
    write(world, warehouse, a=A)
    assert Build(warehouse).kill(("a.csv.gz", 0)) == "a.csv.gz"
    assert parts_of(warehouse).exists()
    warehouse.dbt(*SELECT)
    assert not parts_of(warehouse).exists()


@pytest.fixture(scope="module")
def built(world: World) -> QuickWarehouse:
    warehouse = world.new_warehouse()
    # b leaves out what a has, so that a reload of a takes it along
    write(world, warehouse, a=A, b=[*B, *A[::3]])
    warehouse.dbt(*SELECT)
    return warehouse


def test_a_killed_reload_repeated_equals_one_that_was_not(
    world: World, built: QuickWarehouse
) -> None:
    asked = copy_of(world, built)
    write(world, asked, a=FEWER)
    said = asked.dbt("run-operation", "reload_file", "--args", "{source_file: a.csv.gz}")
    assert "anew: a.csv.gz, b.csv.gz" in said, said
    random = Random(2)

    def moments_in(steps: list[Moment]) -> list[Moment]:
        drawn = within(steps, ("b.csv.gz", "int_users"), random)
        return [*drawn, ("int_sessions", COMMIT)]

    killed_at = kill_and_repeat(world, asked, random, moments_in)
    assert len(killed_at) >= 2


@pytest.mark.parametrize("repeat_options", [("--full-refresh",), ()], ids=["another", "plain"])
def test_a_killed_full_refresh_is_made_good_by_the_next_build(
    world: World, built: QuickWarehouse, repeat_options: tuple[str, ...]
) -> None:
    before = copy_of(world, built)
    # sessions and customers are no more, which the tables had
    write(world, before, a=FEWER)
    killed_at = kill_and_repeat(
        world,
        before,
        Random(3),
        # the old events are no more; then the sessions of the first file are there
        lambda _: [("stg_events", COMMIT), ("int_sessions", COMMIT)],
        options=("--full-refresh",),
        repeat_options=repeat_options,
    )
    assert len(killed_at) == 2


def test_a_killed_build_of_another_moment_does_not_show_in_the_next(
    world: World, built: QuickWarehouse
) -> None:
    copy_of(world, built).dbt("run", "--select", "stg_event_files", *PAST)
    # soon after, what the table is made of is recorded
    killed_at = kill_and_repeat(
        world,
        built,
        Random(4),
        lambda _: [("int_as_of", COMMIT), ("int_recent_users", COMMIT)],
        options=PAST,
        expected=content(built),
    )
    assert len(killed_at) == 2


@pytest.mark.parametrize("is_checkpoint", [False, True], ids=["log", "warehouse"])
def test_a_full_disk_stops_the_build_and_changes_no_table_by_half(
    world: World, *, is_checkpoint: bool
) -> None:
    before = world.new_warehouse()
    if is_checkpoint:
        checkpoint_often(before)
    write(world, before, a=A)
    before.dbt(*SELECT)
    write(world, before, b=B)
    was = content(before)
    undisturbed = copy_of(world, before)
    undisturbed.dbt(*SELECT)
    if is_checkpoint:
        size = before.path.stat().st_size
        growth = undisturbed.path.stat().st_size - size
        limits = [size, size + growth // 2]
    else:
        log_size = log_of(undisturbed).stat().st_size
        limits = [int(share * log_size) for share in (0.1, 0.3, 0.45, 0.8)]
    expected = content(undisturbed)

    stopped_at = set()
    for limit in limits:
        warehouse = copy_of(world, before)
        build = Build(warehouse, most_file_bytes=limit)
        assert build.wait() == 1, limit
        said = build.said.read_text()
        assert "File too large" in said, said
        stopped_at.update(re.findall(r"ERROR creating .* model (\S+)", said)[:1])
        assert_whole(warehouse, limit)
        for table, rows in content(warehouse).items():
            if limit == limits[0]:
                assert rows == was[table], table
            elif table not in VIEWS:
                assert rows in (was[table], expected[table]), (table, limit)
        warehouse.dbt(*SELECT)
        assert_same(warehouse, expected, limit)
        shutil.rmtree(warehouse.folder)
    assert len(stopped_at) >= (1 if is_checkpoint else 3), stopped_at
