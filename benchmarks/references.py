"""Fifteen figures of every user straight from one event file, as users of each engine write it.

    python benchmarks/references.py duckdb events.csv.gz

Prints the total of each figure over all users as one line of JSON. Exact distinct counts are the
expensive part; empty fields are missing values and do not count as a session or a brand. Totals
of money are sums of cents, rounded for each user, so that every engine gives the same number
whatever the order of its sums.
"""

import argparse
import json
from pathlib import Path

FIGURES = (
    "event_count",
    "view_count",
    "cart_count",
    "purchase_count",
    "revenue",
    "first_event_at",
    "last_event_at",
    "price_sum",
    "price_min",
    "price_max",
    "session_count",
    "product_count",
    "category_count",
    "brand_count",
    "uncategorised_count",
)
MONEY = ("revenue", "price_sum", "price_min", "price_max")
TIMES = ("first_event_at", "last_event_at")
CHUNK_ROWS = 2_000_000


def duckdb_totals(path: str) -> dict[str, int]:
    """Aggregate with DuckDB."""
    import duckdb

    totals = ", ".join(f"sum({_whole(figure, 'epoch')})" for figure in FIGURES)
    query = f"""
        with

        events as (
            select *
            from read_csv(
                $path,
                header = true,
                timestampformat = '%Y-%m-%d %H:%M:%S UTC',
                columns = {{
                    'event_time': 'timestamp',
                    'event_type': 'varchar',
                    'product_id': 'bigint',
                    'category_id': 'bigint',
                    'category_code': 'varchar',
                    'brand': 'varchar',
                    'price': 'double',
                    'user_id': 'bigint',
                    'user_session': 'uuid'
                }}
            )
        ),

        users as (
            select
                user_id,
                count(*) as event_count,
                count(*) filter (where event_type = 'view') as view_count,
                count(*) filter (where event_type = 'cart') as cart_count,
                count(*) filter (where event_type = 'purchase') as purchase_count,
                coalesce(sum(price) filter (where event_type = 'purchase'), 0) as revenue,
                min(event_time) as first_event_at,
                max(event_time) as last_event_at,
                sum(price) as price_sum,
                min(price) as price_min,
                max(price) as price_max,
                count(distinct user_session) as session_count,
                count(distinct product_id) as product_count,
                count(distinct category_id) as category_count,
                count(distinct brand) as brand_count,
                count(*) filter (where category_code is null) as uncategorised_count
            from events
            group by user_id
        )

        select count(*), {totals} from users
    """  # noqa: S608
    return _named(duckdb.execute(query, {"path": path}).fetchone())


def chdb_totals(path: str) -> dict[str, int]:
    """Aggregate with ClickHouse inside this process."""
    import chdb

    totals = ", ".join(f"sum({_whole(figure, 'toUnixTimestamp')})" for figure in FIGURES)
    query = f"""
        with

        users as (
            select
                user_id,
                count() as event_count,
                countIf(event_type = 'view') as view_count,
                countIf(event_type = 'cart') as cart_count,
                countIf(event_type = 'purchase') as purchase_count,
                sumIf(price, event_type = 'purchase') as revenue,
                min(event_time) as first_event_at,
                max(event_time) as last_event_at,
                sum(price) as price_sum,
                min(price) as price_min,
                max(price) as price_max,
                uniqExact(user_session) as session_count,
                uniqExact(product_id) as product_count,
                uniqExact(category_id) as category_count,
                uniqExactIf(brand, brand != '') as brand_count,
                countIf(category_code = '') as uncategorised_count
            from file(
                '{_escaped(path)}',
                'CSVWithNames',
                $$
                    event_time DateTime('UTC'),
                    event_type LowCardinality(String),
                    product_id UInt64,
                    category_id UInt64,
                    category_code LowCardinality(String),
                    brand LowCardinality(String),
                    price Float64,
                    user_id UInt64,
                    user_session Nullable(UUID)
                $$
            )
            group by user_id
        )

        select count(), {totals} from users
        settings date_time_input_format = 'best_effort'
    """  # noqa: S608
    return _named(json.loads(f"[{chdb.query(query, 'CSV')}]"))


def polars_totals(path: str) -> dict[str, int]:
    """Aggregate with the streaming engine of polars."""
    import polars as pl

    def events_of(kind: str) -> pl.Expr:
        return (pl.col("event_type") == kind).sum()

    price, event_time = pl.col("price"), pl.col("event_time")
    events = pl.scan_csv(
        path,
        schema={
            "event_time": pl.String,
            "event_type": pl.String,
            "product_id": pl.Int64,
            "category_id": pl.Int64,
            "category_code": pl.String,
            "brand": pl.String,
            "price": pl.Float64,
            "user_id": pl.Int64,
            "user_session": pl.String,
        },
    ).with_columns(event_time.str.to_datetime("%Y-%m-%d %H:%M:%S UTC", time_unit="us"))
    users = events.group_by("user_id").agg(
        event_count=pl.len(),
        view_count=events_of("view"),
        cart_count=events_of("cart"),
        purchase_count=events_of("purchase"),
        revenue=price.filter(pl.col("event_type") == "purchase").sum(),
        first_event_at=event_time.min(),
        last_event_at=event_time.max(),
        price_sum=price.sum(),
        price_min=price.min(),
        price_max=price.max(),
        session_count=pl.col("user_session").drop_nulls().n_unique(),
        product_count=pl.col("product_id").n_unique(),
        category_count=pl.col("category_id").n_unique(),
        brand_count=pl.col("brand").drop_nulls().n_unique(),
        uncategorised_count=pl.col("category_code").is_null().sum(),
    )
    totals = users.select(
        pl.len().alias("user_count"),
        *((pl.col(figure) * 100).round().cast(pl.Int64).sum() for figure in MONEY),
        *(pl.col(figure).dt.epoch("s").sum() for figure in TIMES),
        *(pl.col(figure).cast(pl.Int64).sum() for figure in FIGURES if figure not in MONEY + TIMES),
    )
    row = totals.collect(engine="streaming").row(0, named=True)
    return _named([row[name] for name in ("user_count", *FIGURES)])


def pandas_totals(path: str) -> dict[str, int]:
    """Aggregate with pandas, 2 million rows at a time so that a month fits in memory.

    Sums, minima and maxima of the chunks are aggregated again; what is distinct is kept as pairs
    of user and thing, without repetition within a chunk first and then over all.
    """
    import pandas as pd

    distinct = {
        "session_count": "user_session",
        "product_count": "product_id",
        "category_count": "category_id",
        "brand_count": "brand",
    }
    parts, pairs = [], {figure: [] for figure in distinct}
    chunks = pd.read_csv(
        path,
        chunksize=CHUNK_ROWS,
        # an empty field is missing; the brand "nan" is not
        keep_default_na=False,
        na_values="",
        dtype={
            "event_time": "str",
            "event_type": "category",
            "product_id": "int64",
            "category_id": "int64",
            "category_code": "category",
            "brand": "str",
            "price": "float64",
            "user_id": "int64",
            "user_session": "str",
        },
    )
    for chunk in chunks:
        purchased = chunk["event_type"] == "purchase"
        chunk = chunk.assign(
            # without the suffix " UTC" pandas takes its fast way: eight times as fast
            event_time=pd.to_datetime(chunk["event_time"].str[:19], format="%Y-%m-%d %H:%M:%S"),
            is_view=chunk["event_type"] == "view",
            is_cart=chunk["event_type"] == "cart",
            is_purchase=purchased,
            revenue=chunk["price"].where(purchased, 0.0),
            is_uncategorised=chunk["category_code"].isna(),
        )
        parts.append(
            chunk.groupby("user_id", sort=False).agg(
                event_count=("price", "size"),
                view_count=("is_view", "sum"),
                cart_count=("is_cart", "sum"),
                purchase_count=("is_purchase", "sum"),
                revenue=("revenue", "sum"),
                first_event_at=("event_time", "min"),
                last_event_at=("event_time", "max"),
                price_sum=("price", "sum"),
                price_min=("price", "min"),
                price_max=("price", "max"),
                uncategorised_count=("is_uncategorised", "sum"),
            )
        )
        for figure, column in distinct.items():
            pairs[figure].append(chunk[["user_id", column]].dropna().drop_duplicates())
    together = dict.fromkeys(parts[0].columns, "sum") | {
        "first_event_at": "min",
        "last_event_at": "max",
        "price_min": "min",
        "price_max": "max",
    }
    users = pd.concat(parts).groupby(level=0, sort=False).agg(together)
    for figure in distinct:
        found = pd.concat(pairs.pop(figure)).drop_duplicates()
        # a user without any brand has none, not a missing number of them
        users[figure] = found.groupby("user_id").size().reindex(users.index, fill_value=0)
    for figure in MONEY:
        users[figure] = (users[figure] * 100).round().astype("int64")
    for figure in TIMES:
        users[figure] = (users[figure] - pd.Timestamp(0)) // pd.Timedelta(seconds=1)
    return _named([len(users), *(users[figure].sum() for figure in FIGURES)])


def _whole(figure: str, epoch: str) -> str:
    """The SQL of a user's figure as a whole number: cents for money, seconds for times."""
    if figure in MONEY:
        return f"cast(round({figure} * 100) as bigint)"
    return f"cast({epoch}({figure}) as bigint)" if figure in TIMES else figure


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _named(values: list | tuple) -> dict[str, int]:
    return {name: int(value) for name, value in zip(("user_count", *FIGURES), values, strict=True)}


ENGINES = {
    "duckdb": duckdb_totals,
    "polars": polars_totals,
    "chdb": chdb_totals,
    "pandas": pandas_totals,
}


def main() -> None:
    """Print the totals of one engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    print(json.dumps(ENGINES[arguments.engine](str(arguments.file))))


if __name__ == "__main__":
    main()
