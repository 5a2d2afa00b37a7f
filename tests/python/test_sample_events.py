"""Laws of the sample generator: exact format, determinism, truth, traps, calibration."""

import gzip
import re
from datetime import date

import duckdb
import pytest

from amazing_segments.cli import main
from amazing_segments.event_files import COLUMNS
from amazing_segments.sample_events import (
    ARCHETYPES,
    PHONES,
    PHONES_MOVED_TO,
    campaign_lift,
    write_sample_events,
)

START = date(2019, 10, 1)
LINE = re.compile(
    rb"2019-\d\d-\d\d \d\d:\d\d:\d\d UTC,(view|cart|purchase),\d{7,9},\d{19},[a-z_.]*,[a-z]*,"
    rb"\d+\.\d\d,\d{9},([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})?"
)
READ = """
    select * replace (cast(replace(event_time, ' UTC', '') as timestamp) as event_time,
            cast(price as double) as price, cast(user_id as bigint) as user_id),
        parse_filename(filename) as file, row_number() over () as line
    from read_csv('{}/*.csv.gz', all_varchar = true, nullstr = '', filename = true)
"""


class Sample:
    """A sample in DuckDB: `e` the events, `truth`."""

    def __init__(self, folder, users, months, **options):
        self.users, self.folder = users, folder
        self.written = write_sample_events(users, START, months, 7, folder, **options)
        self.db = duckdb.connect()
        self.db.execute(f"create table e as {READ.format(folder)}")
        self.db.execute(f"create table truth as from read_parquet('{self.written.truth}')")

    def one(self, query):
        return self.db.execute(f"select {query}").fetchone()[0]


@pytest.fixture(scope="module")
def quarter(tmp_path_factory):
    """October to December of 6,000 customers."""
    return Sample(tmp_path_factory.mktemp("quarter") / "events", 6_000, 3)


@pytest.fixture(scope="module")
def october(tmp_path_factory):
    return Sample(tmp_path_factory.mktemp("october") / "events", 15_000, 1)


def test_format_is_exact(quarter):
    names = [path.name for path in quarter.written.files]
    assert names == ["2019-Oct.csv.gz", "2019-Nov.csv.gz", "2019-Dec.csv.gz"]
    rows = 0
    for path, month in zip(
        quarter.written.files, (b"2019-10", b"2019-11", b"2019-12"), strict=True
    ):
        content = gzip.decompress(path.read_bytes())
        assert b"\r" not in content
        header, *lines, rest = content.split(b"\n")
        assert header == ",".join(COLUMNS).encode()
        assert rest == b""
        assert all(LINE.fullmatch(line) and line.startswith(month) for line in lines)
        rows += len(lines)
    assert rows == quarter.written.rows


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    def content(name, seed):
        written = write_sample_events(300, START, 2, seed, tmp_path / name)
        return [path.read_bytes() for path in (*written.files, written.truth)]

    first, second, other = content("a", 1), content("b", 1), content("c", 2)
    assert first == second
    assert all(x != y for x, y in zip(first, other, strict=True))
    assert all(x[4:8] == bytes(4) for x in first[:2])  # no time of writing in the gzip header


@pytest.mark.parametrize(("users", "months"), [(1, 1), (1, 3), (40, 7)])
def test_small_samples_work(tmp_path, users, months):
    sample = Sample(tmp_path / "events", users, months)
    assert sample.one("count(distinct user_id) from e") == users + 1


def test_truth_covers_every_user_exactly(quarter):
    assert quarter.one("count(*) from truth where archetype <> 'robot'") == quarter.users
    assert quarter.one("count(*) = count(distinct user_id) from truth")
    assert quarter.one("count(*) from truth anti join e using (user_id)") == 0
    assert quarter.one("count(*) from e anti join truth using (user_id)") == 0
    assert quarter.one("count(distinct archetype) from truth") == len(ARCHETYPES) + 1
    drifted = "from truth where previous_archetype is not null"
    assert 0.003 < quarter.one(f"count(*) / {quarter.users} {drifted}") < 0.06
    assert quarter.one(f"count(*) {drifted} and archetype = previous_archetype") == 0
    assert (
        quarter.one(
            "count(*) from truth where (changed_at is null) != (previous_archetype is null)"
        )
        == 0
    )
    # whoever drifted is seen on both sides
    assert (
        quarter.one(
            """count(*) from (select user_id, min(event_time) < any_value(changed_at)
               and max(event_time) >= any_value(changed_at) as seen
           from e join truth using (user_id) where changed_at is not null group by 1)
        where not seen"""
        )
        == 0
    )


def test_user_id_says_nothing_about_the_archetype(quarter):
    spread = """max(mean) - min(mean) from (select avg(user_id) as mean from truth
        where archetype <> 'robot' group by archetype having count(*) > 150)"""
    assert quarter.one(spread) < 0.15 * quarter.one("max(user_id) - min(user_id) from truth")


def test_sessions_straddle_month_ends(quarter):
    both = "(select user_session from e where user_session is not null group by 1"
    for early, late in (("Oct", "Nov"), ("Nov", "Dec")):
        files = f"bool_or(file = '2019-{early}.csv.gz') and bool_or(file = '2019-{late}.csv.gz')"
        assert 3 <= quarter.one(f"count(*) from {both} having {files})") < 60


def test_exact_duplicates(quarter):
    doubles = "(select * exclude (line), count(*) as n from e group by all having n > 1)"
    share = quarter.one(f"sum(n - 1) from {doubles}") / quarter.written.rows
    assert 0.0003 < share < 0.003
    assert quarter.one(f"avg((event_type = 'cart')::int) from {doubles}") > 0.3
    # carts may fall on the same second by chance, purchases not
    assert quarter.one(f"count(*) from {doubles} where event_type = 'purchase'") > 0


def test_product_traps(quarter):
    assert 0.26 < quarter.one("avg((category_code is null)::int) from e") < 0.37
    assert 0.11 < quarter.one("avg((brand is null)::int) from e") < 0.18
    assert quarter.one("count(*) from e where brand = 'nan'") > 0
    assert 0.0003 < quarter.one("avg((price = 0)::int) from e") < 0.004
    assert quarter.one("max(price) from e") <= 2574.07
    codes = "(select product_id, count(distinct category_code) as codes, "
    codes += "count(*) filter (category_code is null) as empty from e "
    codes += "where event_time < '2019-12-01' group by 1)"
    assert quarter.one(f"count(*) from {codes} where codes = 1 and empty > 0") > 3
    assert quarter.one(f"count(*) from {codes} where codes > 1") > 0
    for code in ("medicine.tools.tonometer", "kids.fmcg.diapers"):
        assert quarter.one(f"count(*) from e where category_code = '{code}'") > 0


def test_session_traps(quarter):
    assert 3 <= quarter.one("count(*) from e where user_session is null") < 30
    users = "(select count(distinct user_id) as n from e where user_session is not null "
    assert 3 <= quarter.one(f"count(*) from {users} group by user_session) where n > 1") < 30
    spans = "(select max(event_time) - min(event_time) as span from e group by user_session)"
    assert quarter.one(f"count(*) from {spans} where span > interval 1 day") > 3


def test_time_is_nearly_in_order(quarter):
    inversions = quarter.one(
        """count(*) from (select event_time < lag(event_time) over (
            partition by file order by line) as back from e) where back"""
    )
    assert 1 <= inversions < 30


def test_robot(quarter):
    day = "(select user_id, count(*) as n from e group by user_id, event_time::date)"
    robot = "(select user_id from truth where archetype = 'robot')"
    assert quarter.one(f"max(n) from {day} where user_id in {robot}") > 2_000
    sizes = "(select user_session, any_value(user_id) as u, count(*) as n from e group by 1)"
    assert quarter.one(f"count(*) from {sizes} where n > 500 and u not in {robot}") == 0
    assert quarter.one(f"count(*) from {sizes} where n > 500 and u in {robot}") == 4


def test_telephones_move(quarter):
    phones = f"from e where category_code = '{PHONES}' and event_time"
    lights = f"from e where category_code = '{PHONES_MOVED_TO}' and event_time"
    assert quarter.one(f"count(*) {phones} < '2019-12-02'") > 1_000
    assert quarter.one(f"count(*) {phones} >= '2019-12-02'") == 0
    telephone = "coalesce(brand, '') in ('samsung', 'apple', 'xiaomi', 'huawei', 'oppo')"
    assert quarter.one(f"count(*) {lights} < '2019-12-02' and {telephone}") == 0
    assert quarter.one(f"count(*) {lights} >= '2019-12-02' and {telephone}") > 1_000
    assert quarter.one(f"count(*) {lights} >= '2019-12-02' and not {telephone}") > 0
    same = "(select product_id {} intersect select product_id {})"
    moved = same.format(f"{phones} < '2019-12-02'", f"{lights} >= '2019-12-02'")
    assert quarter.one(f"count(*) from {moved}") > 100


def test_cart_logging_jumps(quarter):
    rate = "avg((event_type = 'cart')::int) from e where event_time"
    before = quarter.one(f"{rate} between '2019-10-15' and '2019-11-07 23:59:59'")
    after = quarter.one(f"{rate} between '2019-11-08' and '2019-12-01'")
    assert 2.5 < after / before < 6


def test_campaign_days(quarter):
    assert (
        quarter.one(
            "count(*) from e where event_time::date = '2019-11-15' and event_type = 'purchase'"
        )
        == 0
    )
    assert quarter.one("count(*) from e where event_time::date = '2019-11-15'") > 100
    days = """(select event_time::date as day, count(*) filter (event_type = 'purchase') as n
        from e group by 1)"""
    sale = quarter.one(f"avg(n) from {days} where day in ('2019-11-16', '2019-11-17')")
    assert sale > 3 * quarter.one(
        f"avg(n) from {days} where day between '2019-11-01' and '2019-11-10'"
    )
    assert campaign_lift(date(2019, 11, 29)) == campaign_lift(date(2020, 11, 27)) > 1
    assert campaign_lift(date(2019, 10, 14)) == 1


def test_removals_only_on_demand(quarter, tmp_path):
    assert quarter.one("count(*) from e where event_type = 'remove_from_cart'") == 0
    sample = Sample(tmp_path / "events", 1_500, 2, remove_from_cart=True)
    assert sample.one("count(*) from e where event_type = 'remove_from_cart'") > 5


def test_archetypes_behave_as_named(quarter):
    rates = """(select archetype, avg((event_type = 'purchase')::int) as buys,
        avg((event_type = 'cart')::int) as carts, median(price) as price,
        avg((hour(event_time) not between 4 and 20)::int) as night,
        avg((isodow(event_time) > 5)::int) as weekend, max(event_time) as last
        from e join truth using (user_id) where changed_at is null group by 1)"""

    def highest(column):
        return quarter.one(f"arg_max(archetype, {column}) from {rates} where archetype <> 'robot'")

    assert highest("night") == "night_browser"
    assert highest("weekend") == "weekend_family_shopper"
    assert highest("carts") == "cart_abandoner"
    assert highest("-price") == "bargain_hunter"
    assert highest("-epoch(last)") == "lapsed_customer"
    assert quarter.one(f"buys from {rates} where archetype = 'window_shopper'") < 0.001


@pytest.mark.parametrize(
    ("figure", "real", "tolerance"),
    [
        ("count(*) / count(distinct user_id) from e", 14.04, 0.15),
        ("avg((event_type = 'view')::int) from e", 0.961, 0.01),
        ("avg((event_type = 'purchase')::int) from e", 0.0175, 0.2),
        ("avg((event_type = 'cart')::int) from e", 0.0218, 0.2),
        ("avg((category_code = 'electronics.smartphone')::int * 1.0) filter (true) "
         "* count(category_code) / count(*) from e", 0.271, 0.12),
        ("median(price) from e", 163.33, 0.2),
        ("avg(price) from e where event_type = 'purchase'", 309.56, 0.2),
        ("avg((n = 1)::int) from s", 0.3537, 0.12),
        ("avg(n) from s", 4.592, 0.12),
        ("avg(buys::int) from s", 0.0681, 0.2),
        ("avg(n) from u", 3.059, 0.08),
        ("avg((n = 1)::int) from u", 0.4882, 0.05),
        ("avg((buys > 0)::int) from u", 0.1149, 0.15),
        ("avg((buys > 1)::int) filter (buys > 0) from u", 0.3217, 0.25),
    ],
)  # fmt: skip
def test_october_is_calibrated(october, figure, real, tolerance):
    # Without the robot: a small sample has too large a share of it. Prices have a wide tolerance,
    # for a few popular products weigh much in them.
    with_tables = f"""with real_users as (from truth where archetype <> 'robot'),
        e as (from main.e semi join real_users using (user_id)),
        s as (select user_session, min(user_id) as user_id, count(*) as n,
            bool_or(event_type = 'purchase') as buys from e group by 1),
        u as (select user_id, count(*) as n, count(*) filter (buys) as buys from s group by 1)
        select {figure}"""
    assert october.db.execute(with_tables).fetchone()[0] == pytest.approx(real, rel=tolerance)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--users", "0"], "less than 1"),
        (["--users", "9", "--start", "2019-10-02"], "not the first day"),
        (["--users", "9", "--start", "October"], "not a date"),
        (["--users", "9", "--months", "0"], "less than 1"),
        (["--users", "9", "--seed", "-1"], "less than 0"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        main(["sample-events", *arguments, "--out", str(tmp_path)])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_event_files_are_not_overwritten_without_force(tmp_path, capsys):
    arguments = ["sample-events", "--users", "20", "--out", str(tmp_path / "events")]
    assert main(arguments) == 0
    assert "rows/s" in capsys.readouterr().out
    before = (tmp_path / "events" / "2019-Oct.csv.gz").read_bytes()
    assert main([*arguments, "--seed", "2"]) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "events" / "2019-Oct.csv.gz").read_bytes() == before
    assert main([*arguments, "--seed", "2", "--force"]) == 0
    assert (tmp_path / "events" / "2019-Oct.csv.gz").read_bytes() != before


def test_force_never_deletes_real_event_files(tmp_path, capsys):
    real = tmp_path / "2019-Nov.csv.gz"
    real.write_bytes(b"real")
    assert main(["sample-events", "--users", "20", "--out", str(tmp_path), "--force"]) == 2
    assert "not a sample" in capsys.readouterr().err
    assert real.read_bytes() == b"real"
