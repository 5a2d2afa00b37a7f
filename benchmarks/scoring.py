"""Score many users with the warehouse's own SQL, and compare the labels with scikit-learn's.

    python benchmarks/scoring.py prepare WAREHOUSE SQL SCRATCH --users 15000000
    python benchmarks/scoring.py score WAREHOUSE SQL SCRATCH
    python benchmarks/scoring.py compare WAREHOUSE SQL SCRATCH

SQL is the compiled SQL of the model user_segments. The warehouse is only read: the made-up users
and their segments are tables of the scratch database. The warehouse must have been built from
nothing in one build, so that the model was trained on the users that are in it. Each part prints
one line of JSON.
"""

import argparse
import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from amazing_segments import model_versions, segmentation

RELATION = re.compile(r'"[^"]+"\."[^"]+"\."([^"]+)"')
# by at most so much of its value does a feature of a made-up user lie below that of the real one
ELIGIBLE = "not is_robot and event_count >= 5"
NOISE = 0.1
BATCH_USERS = 500_000


def attach(warehouse: Path, scratch: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """Open the scratch database, with the warehouse under the name that its SQL uses."""
    connection = duckdb.connect(scratch, config={"memory_limit": memory_limit})
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"attach '{warehouse}' as \"{warehouse.stem}\" (read_only)")
    return connection


def users_relation(sql: str) -> str:
    """Return the relation of user_features as the SQL writes it.

    Raises:
        SystemExit: The SQL does not read it, or under several names.
    """
    relations = {found.group(): found.group(1) for found in RELATION.finditer(sql)}
    users = [relation for relation, name in relations.items() if name == "user_features"]
    if len(users) != 1:
        raise SystemExit(f"user_segments reads {sorted(relations)}: expected user_features once")
    return users[0]


def model_transforms(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> dict[str, str]:
    """Return the transform of each feature of the model."""
    catalogue = connection.execute(f'from "{warehouse.stem}".marts.feature_catalogue').df()
    return model_versions.model_transforms(catalogue)


def prepare(
    connection: duckdb.DuckDBPyConnection, warehouse: Path, sql: str, count: int
) -> dict[str, float]:
    """Make the table of users: eligible ones over and over, each feature a little lower."""
    relation = users_relation(sql)
    columns = connection.execute(f"describe {relation}").fetchall()
    types = {name: kind for name, kind, *_ in columns}
    noisy = ", ".join(
        f"cast({feature} * (1 - {NOISE} * hash(user_key, copy, '{feature}') / pow(2, 64)) "
        f"as {types[feature]}) as {feature}"
        for feature in model_transforms(connection, warehouse)
    )
    (eligible,) = connection.execute(
        f"select count(*) from {relation} where {ELIGIBLE}"  # noqa: S608
    ).fetchone()
    if not eligible:
        raise SystemExit("no user of the warehouse is eligible")
    copies = math.ceil(count / eligible)
    # keys in the order of the rows, so that a batch of keys lies together
    connection.execute(f"""
        create or replace table made_up_users as
        with

        eligible as (
            select * from {relation} where {ELIGIBLE}
        ),

        copies as (
            select range as copy from range({copies})
        ),

        noised as (
            select * replace ({noisy})
            from eligible cross join copies
            limit {count}
        )

        select * exclude (copy) replace (
            cast(row_number() over () as {types["user_key"]}) as user_key
        )
        from noised
    """)  # noqa: S608
    return {"users": connection.execute("select count(*) from made_up_users").fetchone()[0]}


def score(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, float]:
    """Give the users their segments, by the SQL of the warehouse."""
    made_up = sql.replace(users_relation(sql), "made_up_users")
    began, cpu_began = time.perf_counter(), time.process_time()
    connection.execute(f"create or replace table made_up_labels as {made_up}")
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    scored = connection.execute("select count(segment) from made_up_labels").fetchone()[0]
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "users": scored}


def compare(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> dict[str, float]:
    """Fit with scikit-learn on the users the model was trained on, predict, count differences."""
    transforms = model_transforms(connection, warehouse)
    segmentation_schema = f'"{warehouse.stem}".segmentation'
    training = connection.execute(
        f"select * from {segmentation_schema}.segmentation_sample order by user_key"  # noqa: S608
    ).df()
    segment_count = connection.execute(
        f"select segment_count from {segmentation_schema}.segmentation_models where is_current"  # noqa: S608
    ).fetchone()[0]
    preparation = segmentation.fit_preparation(training, transforms)
    clusters = segmentation.fit_clusters(preparation.transform(training), segment_count)
    # segments count from 1, the largest first
    order = np.argsort(-np.bincount(clusters.labels_, minlength=segment_count), kind="stable")
    number = np.argsort(order) + 1
    differences, compared, seconds = 0, 0, 0.0
    for users in batches(connection, [*transforms, "session_count"]):
        began = time.perf_counter()
        expected = number[clusters.predict(preparation.transform(users))]
        seconds += time.perf_counter() - began
        # a user without a segment differs too
        differences += int((users["segment"].to_numpy(dtype=float) != expected).sum())
        compared += len(users)
    return {"differences": differences, "users": compared, "seconds": seconds}


def batches(connection: duckdb.DuckDBPyConnection, columns: list[str]) -> Iterator[pd.DataFrame]:
    """Yield the users with these columns and their segment, some at a time."""
    wanted = ", ".join(f"users.{column}" for column in dict.fromkeys(columns))
    last = connection.execute("select max(user_key) from made_up_users").fetchone()[0]
    for first in range(1, last + 1, BATCH_USERS):
        yield connection.execute(
            f"""
            select {wanted}, labels.segment
            from made_up_users as users
            left join made_up_labels as labels on users.user_key = labels.user_key
            where users.user_key between $first and $last
            """,  # noqa: S608
            {"first": first, "last": first + BATCH_USERS - 1},
        ).df()


def main() -> None:
    """Run one part and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["prepare", "score", "compare"])
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("sql", type=Path, help="the compiled SQL of user_segments")
    parser.add_argument("scratch", type=Path, help="the database of the made-up users")
    parser.add_argument("--users", type=int, default=15_000_000)
    parser.add_argument("--memory-limit", default="6GB")
    arguments = parser.parse_args()
    sql = arguments.sql.read_text()
    with attach(arguments.warehouse, arguments.scratch, arguments.memory_limit) as connection:
        if arguments.part == "prepare":
            found = prepare(connection, arguments.warehouse, sql, arguments.users)
        elif arguments.part == "score":
            found = score(connection, sql)
        else:
            found = compare(connection, arguments.warehouse)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
