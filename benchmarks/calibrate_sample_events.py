"""Measure a generated October against the published one and rewrite docs/sample-events.md.

Usage: python benchmarks/calibrate_sample_events.py [--users 100000] [--seed 1]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from amazing_segments import sample_events as sample  # noqa: E402

# Name of the figure and its value in October 2019; the names are those `measure` returns. Shares
# are in per cent.
OCTOBER: dict[str, float] = {
    "rows per user": 14.045,
    "view rows %": 96.067,
    "cart rows %": 2.183,
    "purchase rows %": 1.750,
    "duplicate rows %": 0.0712,
    "empty category_code %": 31.84,
    "empty brand %": 14.40,
    "zero price %": 0.1618,
    "price p5": 18.29,
    "price p25": 65.96,
    "price p50": 163.33,
    "price p75": 356.52,
    "price p90": 743.39,
    "price p95": 1022.16,
    "price p99": 1727.48,
    "mean price of a view": 289.47,
    "mean price of a cart": 333.88,
    "mean price of a purchase": 309.56,
    "events per session p50": 2,
    "events per session p75": 5,
    "events per session p90": 11,
    "events per session p95": 16,
    "events per session p99": 32,
    "events per session p99.9": 71,
    "events per session, mean": 4.592,
    "one-event sessions %": 35.37,
    "session seconds p50": 63,
    "session seconds p75": 270,
    "session seconds p90": 717,
    "session seconds p95": 1269,
    "session seconds p99": 4811,
    "session seconds, mean": 1042,
    "sessions with a cart %": 6.20,
    "sessions with a purchase %": 6.81,
    "purchase given cart in session %": 50.93,
    "purchase sessions without cart %": 53.64,
    "sessions per user p50": 2,
    "sessions per user p75": 3,
    "sessions per user p90": 7,
    "sessions per user p95": 10,
    "sessions per user p99": 22,
    "sessions per user p99.9": 50,
    "sessions per user, mean": 3.059,
    "users with one session %": 48.82,
    "buyers %": 11.49,
    "buyers with 2 or more buying sessions %": 32.17,
    "share of first category p5": 0.37,
    "share of first category p25": 0.60,
    "share of first category p50": 0.86,
    "share of first category, mean": 0.788,
    "views on top 1 % of products %": 49.0,
    "views on top 5 % of products %": 72.8,
    "views on top 10 % of products %": 82.6,
    "views on top 20 % of products %": 90.9,
    "electronics.smartphone %": 27.1,
    "electronics.clocks %": 3.1,
    "computers.notebook %": 2.7,
    "electronics.video.tv %": 2.6,
    "electronics.audio.headphone %": 2.6,
    "appliances.kitchen.refrigerators %": 2.1,
    "appliances.kitchen.washer %": 2.0,
    "appliances.environment.vacuum %": 1.9,
    "apparel.shoes %": 1.8,
    "brand samsung %": 12.4,
    "brand apple %": 9.7,
    "brand xiaomi %": 7.3,
    "brand huawei %": 2.6,
    "brand lucente %": 1.5,
    "brand lg %": 1.3,
    "brand bosch %": 1.3,
    "code depth 2 % of coded": 60.0,
    "code depth 3 % of coded": 39.9,
    "view to view, % of steps": 92.64,
    "view to cart, % of steps": 2.23,
    "view to purchase, % of steps": 1.29,
    "cart to purchase, % of steps": 0.94,
    "purchase to view, % of steps": 1.35,
    "cart to view, % of steps": 1.01,
    "cart to cart, % of steps": 0.54,
    "revenue per row": 5.417,
}


def measure(path: Path) -> dict[str, float]:
    """Figures of one event file by the names of `OCTOBER`; session figures without duplicates."""
    db = duckdb.connect()
    db.execute("set threads = 2")
    db.execute(
        f"""create table e as select * replace (
                cast(replace(event_time, ' UTC', '') as timestamp) as event_time,
                cast(price as double) as price, cast(user_id as bigint) as user_id),
                row_number() over () as line
            from read_csv('{path}', all_varchar = true, nullstr = '')"""  # noqa: S608
    )
    db.execute(
        """create table d as select * exclude (line), min(line) as line from e group by all"""
    )
    db.execute(
        """create table s as select user_session, count(*) as n,
                epoch(max(event_time)) - epoch(min(event_time)) as seconds,
                bool_or(event_type = 'cart') as carts, bool_or(event_type = 'purchase') as buys,
                min(user_id) as user_id
            from d where user_session is not null group by 1"""
    )
    db.execute(
        """create table u as select user_id, count(*) as n, count(*) filter (buys) as buying
            from s group by 1"""
    )
    out: dict[str, float] = {}

    def add(names: str, query: str) -> None:
        values = db.execute(query).fetchone()
        out.update(zip(names.split("|"), map(float, values), strict=True))

    def quantiles(name: str, column: str, table: str, points: tuple[float, ...]) -> None:
        names = "|".join(f"{name} p{100 * p:g}" for p in points)
        parts = ", ".join(f"quantile_disc({column}, {p})" for p in points)
        add(names, f"select {parts} from {table}")  # noqa: S608

    add(
        "rows per user|view rows %|cart rows %|purchase rows %|empty category_code %|"
        "empty brand %|zero price %|revenue per row",
        """select count(*) / count(distinct user_id), 100 * avg((event_type = 'view')::int),
            100 * avg((event_type = 'cart')::int), 100 * avg((event_type = 'purchase')::int),
            100 * avg((category_code is null)::int), 100 * avg((brand is null)::int),
            100 * avg((price = 0)::int), sum(price) filter (event_type = 'purchase') / count(*)
            from e""",
    )
    add("duplicate rows %", "select 100 * (1 - (select count(*) from d) / count(*)) from e")
    quantiles("price", "price", "e", (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99))
    for kind in ("view", "cart", "purchase"):
        add(f"mean price of a {kind}", f"select avg(price) from e where event_type = '{kind}'")  # noqa: S608
    tail = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
    quantiles("events per session", "n", "s", tail)
    quantiles("session seconds", "seconds", "s", tail[:-1])
    quantiles("sessions per user", "n", "u", tail)
    add(
        "events per session, mean|one-event sessions %|session seconds, mean|"
        "sessions with a cart %|sessions with a purchase %|purchase given cart in session %|"
        "purchase sessions without cart %",
        """select avg(n), 100 * avg((n = 1)::int), avg(seconds), 100 * avg(carts::int),
            100 * avg(buys::int), 100 * avg(buys::int) filter (carts),
            100 * avg((not carts)::int) filter (buys) from s""",
    )
    add(
        "sessions per user, mean|users with one session %|buyers %|"
        "buyers with 2 or more buying sessions %",
        """select avg(n), 100 * avg((n = 1)::int), 100 * avg((buying > 0)::int),
            100 * avg((buying > 1)::int) filter (buying > 0) from u""",
    )
    db.execute(
        """create table f as select max(n) / sum(n) as share from
            (select user_id, category_id, count(*) as n from d group by all)
            group by user_id having sum(n) >= 5"""
    )
    quantiles("share of first category", "share", "f", (0.05, 0.25, 0.5))
    add("share of first category, mean", "select avg(share) from f")
    for percent in (1, 5, 10, 20):
        add(
            f"views on top {percent} % of products %",
            f"""select 100 * sum(n) filter (place <= {percent} / 100 * total) / sum(n) from (
                select count(*) as n, row_number() over (order by count(*) desc) as place,
                    count(*) over () as total
                from e where event_type = 'view' group by product_id)""",  # noqa: S608
        )
    for name in OCTOBER:
        if name.startswith("brand "):
            add(name, f"select 100 * avg((coalesce(brand, '') = '{name.split()[1]}')::int) from e")  # noqa: S608
        elif "." in name.split()[0]:
            code = name.split()[0]
            add(name, f"select 100 * avg((coalesce(category_code, '') = '{code}')::int) from e")  # noqa: S608
    add(
        "code depth 2 % of coded|code depth 3 % of coded",
        """select 100 * avg((len(string_split(category_code, '.')) = 2)::int),
            100 * avg((len(string_split(category_code, '.')) = 3)::int)
            from e where category_code is not null""",
    )
    db.execute(
        """create table t as select event_type as after, lag(event_type) over (
            partition by user_session order by event_time, line) as before
            from d where user_session is not null"""
    )
    for name in OCTOBER:
        if " to " in name:
            before, _, after = name.split(",")[0].split()
            add(
                name,
                f"""select 100 * avg((before = '{before}' and after = '{after}')::int)
                    from t where before is not null""",  # noqa: S608
            )
    return out


def timed(users: int, months: int, seed: int, out: Path) -> tuple[int, float, float]:
    """Rows, seconds and peak memory in MiB of a run in a process of its own."""
    code = (
        "import resource, sys; from datetime import date;"
        "from amazing_segments.sample_events import write_sample_events as w;"
        f"r = w({users}, date(2019, 10, 1), {months}, {seed}, sys.argv[1]);"
        "print(r.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)],
        env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows, memory = done.stdout.split()
    return int(rows), time.perf_counter() - began, float(memory)


ABOUT = {
    "loyal_high_spender": "comes often, buys often, dearer products, many categories",
    "one_off_buyer": "few visits, one of them buys",
    "bargain_hunter": "cheap categories and the cheapest products, compares many, rarely buys",
    "window_shopper": "wanders over categories and products, buys never",
    "cart_abandoner": "fills carts, leaves them, comes back to the same products",
    "smartphone_enthusiast": "looks at telephones and little else",
    "campaign_buyer": "comes and buys on campaign days",
    "lapsed_customer": "a regular buyer in the first weeks, silent since",
    "night_browser": "comes between 21 and 4 o'clock UTC",
    "weekend_family_shopper": "comes on Saturdays and Sundays, for house and family",
}

PAGE = """# Sample events

`amazing-segments sample-events` invents event files of which the segments are known. It needs no
download, and every row is invented. The format is that of the REES46 marketplace data. So are
the traps. `truth.parquet` says which customer follows which archetype. No model reads it.

```
amazing-segments sample-events --users 50000 --start 2019-10-01 --months 7 --out data/events
```

The same arguments give the same bytes. The random numbers come from NumPy, the gzip blocks from
ISA-L: another version of these may change the bytes.

## How it works

1. Products are drawn once: categories with the published shares, popular products and a long tail,
   brands by category, prices mapped to the published quantiles.
2. Each customer gets an archetype, own rates around it, an own favourite category, a month of
   arrival and a day of leaving. One in five is there in the first of seven months.
3. Each month, sessions are drawn: how many, when, what for, in which category.
4. Each day, the events of its sessions are drawn, sorted by time and written. Events after
   midnight wait for their day, if need be in the next month's file.

Counts are drawn with a Gaussian copula: archetype, customer, month and session add up to a rank
among all, and a table of published quantiles turns the rank into a number. So archetypes differ,
and the total keeps its distribution.

## Archetypes

Share is that of the customers. `buy` and `cart` are median shares of sessions, before category
and campaign have their effect; `cart` sessions do not buy. Price is a shift within the category,
in standard deviations.

{archetypes}

Customers vary around these numbers, so classes overlap. Activity is heavy-tailed in each of them.
Some customers drift to another archetype at the start of a month: about 3 % over seven months.
The truth has both, and the month.

With 20,000 customers over seven months, of whom 9,000 have ten events or more, k-means on a dozen
chosen features reached an adjusted Rand index of 0.67, k-means on 35 plain features 0.45, and a
classifier that was shown the truth 0.82. So no segmentation should claim much more than 0.8.

## Traps

| trap | dose |
|---|---|
| exact duplicate rows | 0.02 % of views, 0.7 % of carts, 0.12 % of purchases; bursts of up to 60 |
| empty `category_code`, `brand` | by product, see the table below |
| products with a second code, or at times none | 0.8 % of products, 30 % of their rows |
| the brand `nan` | 1 in 2,000 small products, at least two |
| zero prices | about 0.16 % of rows |
| sessions that straddle a month end | 0.03 % of sessions are moved there, at least three a month |
| session ids that come back after days | 0.24 % of sessions, 1 to 60 days |
| sessions with two users | 0.004 % of sessions, at least two or three a month |
| rows without session | three a month |
| rows out of order of time | two places a month and two in a million |
| robot | one, and one more for 200,000 customers: four sessions of 510 to 900 events on day 12 |
| telephones under `construction.tools.light` | from 2019-12-02, with another `category_id` |
| cart logging | of 46 % of the buying and 22 % of the other sessions; from 2019-11-08 93 % |
| no purchase at all | 2019-11-15 |
| campaigns | visits and purchases rise; on 16 and 17 November more than twice as many visits |
| sensitive categories | such as `medicine.tools.tonometer`, `kids.fmcg.diapers` |
| `remove_from_cart` | only with `--remove-from-cart` |

## Calibration

October 2019 as published, and an October of {users:,} customers. Session figures are without exact
duplicates. The command is `python benchmarks/calibrate_sample_events.py`. Ratios further than
15 % from 1 are in bold.

{figures}

## Speed

{users:,} customers, two cores, start of Python included. Memory is the peak of the process.

{speed}

## Limits

- Sessions of a customer are drawn apart from each other: no basket follows from the last one.
- Customers who come in the last days of the window have short histories, as in reality.
- Over several months, lapsed customers are there in the first ones only. October then has more of
  them, and up to a third more purchases a session than in the table above.
- Months after October follow the number of visits only roughly:
  {growth}.
- The number of products grows with the customers, from 20,000 to 250,000. Small samples see fewer.
"""


def _table(header: str, rows: list[str]) -> str:
    return "\n".join([header, "|" + "---|" * (header.count("|") - 1), *rows])


def page(found: dict[str, float], runs: dict[int, tuple[int, float, float]], users: int) -> str:
    """Text of docs/sample-events.md; `runs` are results of `timed` by number of months."""
    archetypes = _table(
        "| archetype | share | buy | cart | night | weekend | price | what it does |",
        [
            f"| `{a.name}` | {a.share:.1%} | {a.buy:g} | {a.cart:g} | {a.night:g} | {a.weekend:g} "
            f"| {a.price:+g} | {ABOUT[a.name]} |"
            for a in sample.ARCHETYPES
        ],
    )
    figures = []
    for name, real in OCTOBER.items():
        ratio = f"{found[name] / real:.2f}"
        if not 0.85 <= found[name] / real <= 1.15:
            ratio = f"**{ratio}**"
        figures.append(f"| {name} | {real:g} | {found[name]:.4g} | {ratio} |")
    speed = [
        f"| {months} | {rows:,} | {seconds:.1f} | {rows / seconds:,.0f} | {memory:,.0f} MiB |"
        for months, (rows, seconds, memory) in runs.items()
    ]
    return PAGE.format(
        archetypes=archetypes,
        users=users,
        figures=_table("| figure | real | sample | ratio |", figures),
        speed=_table("| months | rows | seconds | rows/s | memory |", speed),
        growth=f"{runs[7][0] / users:.1f} rows a customer over seven months, 26.3 in reality",
    )


def main() -> None:
    """Generate, measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--print-only", action="store_true", help="leave the page as it is")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if arguments.print_only:
            sample.write_sample_events(
                arguments.users, date(2019, 10, 1), 1, arguments.seed, out / "1"
            )
        else:
            runs = {m: timed(arguments.users, m, arguments.seed, out / str(m)) for m in (1, 7)}
        found = measure(out / "1" / "2019-Oct.csv.gz")
    for name, real in OCTOBER.items():
        ratio = found[name] / real
        flag = "" if 0.85 <= ratio <= 1.15 else "  <<<"
        print(f"{name:42s}{real:12.3f}{found[name]:12.3f}{ratio:8.2f}{flag}")
    if not arguments.print_only:
        (ROOT / "docs" / "sample-events.md").write_text(page(found, runs, arguments.users))


if __name__ == "__main__":
    main()
