"""The report: both languages, true figures, nothing of a single customer, and no crash on less."""

import re
import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from jinja2 import Environment
from jinja2.nodes import Call, Const, Name
from warehouses import PROJECT, Warehouse

from amazing_segments.cli import main
from amazing_segments.report import pdf
from amazing_segments.report.charts import PALETTE, colour_of
from amazing_segments.report.contents import contents_of
from amazing_segments.report.figures import Figures, hide_small_segments, read_figures
from amazing_segments.report.words import LANGUAGES, MISSING, TEXTS, THIN_SPACE, Words

REPORT = PROJECT / "src" / "amazing_segments" / "report"
NO_BREAK = "\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def pages(sample: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The report on the sample in each language."""
    folder = tmp_path_factory.mktemp("report")
    written = {}
    for language in LANGUAGES:
        out = folder / "new" / f"{language}.html"
        arguments = ["--warehouse", str(sample.path), "--language", language, "--out", str(out)]
        assert main(["report", *arguments]) == 0
        written[language] = out.read_text(encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def figures(sample: Warehouse) -> Figures:
    return read_figures(str(sample.path))


def without_model(figures: Figures) -> Figures:
    """Return what a warehouse gives in which nothing was trained."""
    tables = dict(figures.tables)
    for name, table in tables.items():
        if "model_version" in table and name != "segments":
            tables[name] = table.head(0)
    for name in ("loadings", "reasons", "jaccard", "sureness", "buyers", "registry"):
        tables[name] = tables[name].head(0)
    segments = tables["segments"]
    tables["segments"] = segments[segments["segment"] == 0]
    tables["threshold"] = figures.tables["threshold"].assign(
        model_version=None, source="not measured: too few customers", measured_min_events=None
    )
    return Figures(tables, None)


def texts_of(blocks: list) -> str:
    return " ".join(str(content) for kind, content in blocks if kind != "chart")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_segment_has_its_page(
    sample: Warehouse, pages: dict[str, str], language: str
) -> None:
    segments = sample.rows(
        f"select segment, persona_name_{language}, advice_{language} from marts.segments "
        "where segment > 0"
    )
    words = Words(language)
    assert segments
    for segment, name, advice in segments:
        (page,) = re.findall(
            rf'<article class="persona" id="persona-{segment}".*?</article>',
            pages[language],
            re.DOTALL,
        )
        assert words.typeset(name) in page and words.typeset(advice) in page
        assert colour_of(segment) in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_summary_has_the_figures_of_the_marts(
    sample: Warehouse, pages: dict[str, str], language: str
) -> None:
    summary = pages[language].split('<section id="summary"')[1].split("</section>")[0]
    words = Words(language)
    ((users, orders, revenue, segmented, segmented_revenue, segments),) = sample.rows("""
        select sum(user_count), sum(order_count), sum(revenue_amount),
            sum(user_count) filter (where segment > 0),
            sum(revenue_share) filter (where segment > 0), count_if(segment > 0)
        from marts.segments
    """)
    tiles = re.findall(r'<div class="tile"><b>(.*?)</b>', summary)
    assert tiles == [words.number(n) for n in (users, segmented, segments, orders, revenue)]
    assert words.percent(segmented_revenue) in summary
    ((name, share),) = sample.rows(
        f"select persona_name_{language}, revenue_share from marts.segments "
        "where segment > 0 order by revenue_share desc limit 1"
    )
    assert words.typeset(name) in summary and words.percent(share) in summary


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_stands_alone(pages: dict[str, str], language: str) -> None:
    page = pages[language]
    assert f'<html lang="{language}">' in page
    assert "://" not in page
    assert "<script" not in page and "<link" not in page and "@import" not in page
    assert set(re.findall(r'(?:href|src)="(.)', page)) <= {"#", "d"}  # d of data:image
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert len(set(identifiers)) == len(identifiers)
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', page)) <= set(identifiers)


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_holds_no_customer(sample: Warehouse, pages: dict[str, str], language: str) -> None:
    keys = {str(key) for (key,) in sample.rows("select user_key from marts.user_features")}
    assert not keys & set(re.findall(r"\d{6,}", pages[language]))
    # the dots of the map are an image
    (drawn,) = re.findall(r"<svg(?:(?!<svg).)*data:image/png.*?</svg>", pages[language], re.DOTALL)
    ((segments,),) = sample.rows("select count(*) from marts.segments where segment > 0")
    assert drawn.count("<use ") + drawn.count("<circle") <= 2 * segments + 10


def test_same_warehouse_gives_the_same_page(sample: Warehouse, figures: Figures) -> None:
    again = read_figures(str(sample.path))
    for name, table in figures.tables.items():
        if name != "statuses":
            pd.testing.assert_frame_equal(table, again.tables[name])
    pd.testing.assert_frame_equal(figures.customer_map.users, again.customer_map.users)
    one, other = (
        str(contents_of(without_model(read), Words("fr"))["sections"]) for read in (figures, again)
    )
    assert one == other


def test_map_shows_segments_where_their_customers_are(figures: Figures) -> None:
    drawn = figures.customer_map
    means = drawn.users.groupby("segment")[["x", "y"]].mean()
    centres = drawn.centres.set_index("segment")
    # the first customers are not those of the training, so that means are near and not equal
    assert ((means - centres).abs() < 0.5).all(axis=None)
    assert ((centres - centres.mean()).abs().max() > 1).all()


def test_reasons_are_counted_each_once(sample: Warehouse, figures: Figures) -> None:
    ((reasons,),) = sample.rows(
        "select count(reason_1) + count(reason_2) + count(reason_3) from marts.user_segment_reasons"
    )
    counted = figures.tables["reasons"]
    assert counted["user_count"].min() >= 10
    # rare reasons are left out
    assert 0.97 * reasons < counted["user_count"].sum() <= reasons


def test_small_segment_is_hidden(figures: Figures) -> None:
    segments = figures.tables["segments"].drop(columns="is_hidden").copy()
    small = segments["segment"] == 1
    segments.loc[small, ["user_count", "user_share"]] = [7, 0.000321]
    hidden = hide_small_segments(segments)
    assert hidden.loc[small, "is_hidden"].all() and hidden["is_hidden"].sum() == 1
    without = hidden[hidden["segment"] == 0].iloc[0]
    before = segments[segments["segment"] == 0].iloc[0]
    # nobody finds the hidden figure by subtraction
    assert without["user_count"] == before["user_count"] + 7
    assert (
        without["revenue_amount"]
        == before["revenue_amount"] + segments.loc[small, "revenue_amount"].iloc[0]
    )
    tables = figures.tables | {"segments": hidden[hidden["segment"] <= 1]}
    contents = contents_of(Figures(tables, None), Words("en"))
    (page,) = contents["personas"]
    assert not page.tiles and page.chart is None and "fewer than 10" in page.rule


def test_one_segment_makes_a_report(figures: Figures) -> None:
    segments = figures.tables["segments"]
    tables = figures.tables | {"segments": segments[segments["segment"] <= 1]}
    contents = contents_of(Figures(tables, None), Words("fr"))
    assert [page.segment for page in contents["personas"]] == [1]


def test_missing_analyses_are_said(figures: Figures) -> None:
    tables = dict(figures.tables)
    for name in ("importance", "algorithms", "min_events", "calibration", "rules", "reasons"):
        tables[name] = tables[name].head(0)
    segments = tables["segments"]
    tables["segments"] = segments[segments["segment"] <= 1]
    tables["model"] = tables["model"].assign(stability=None)
    tables["profiles"] = tables["profiles"].assign(deviation=None)
    words = Words("en")
    contents = contents_of(Figures(tables, None), words)
    said = " ".join(texts_of(section.blocks) for section in contents["sections"])
    for key in ("importance_missing", "algorithms_missing", "map_missing"):
        assert words(key) in said
    (page,) = contents["personas"]
    assert page.rule == words("rule_missing") and page.reasons is None and page.profile is None
    assert words("sure_kept_unknown") in texts_of(contents["summary"].blocks)


def test_few_robots_are_not_counted(figures: Figures) -> None:
    words = Words("en")
    for robots, is_told in ((3, False), (300, True)):
        statuses = pd.DataFrame(
            {
                "status": ["segmented", "not enough events yet", "robot"],
                "user_count": [4000, 15000, robots],
            }
        )
        contents = contents_of(
            Figures(without_model(figures).tables | {"statuses": statuses}, None), words
        )
        limits = texts_of(contents["closing"][1].blocks)
        assert words("status_robot") in limits
        assert ("(15,000)" in limits) == is_told
        cleaning = next(part for part in contents["sections"] if part.name == "cleaning")
        rules = next(content for kind, content in cleaning.blocks if kind == "table").rows
        assert (words("not_shown") in rules[-1]) != is_told


def test_warehouse_without_a_model_says_so(sample: Warehouse, tmp_path: Path) -> None:
    untrained = tmp_path / "untrained.duckdb"
    shutil.copy(sample.path, untrained)
    with duckdb.connect(str(untrained)) as connection:
        # what a build leaves that has trained nothing
        tables = connection.execute(
            "select table_name from information_schema.tables "
            "where table_schema = 'segmentation' and table_type = 'BASE TABLE'"
        ).fetchall()
        for (table,) in tables:
            connection.execute(f"delete from segmentation.{table}")
        connection.execute("""
            delete from marts.segment_profiles;
            delete from marts.user_segment_reasons;
            delete from marts.segments where segment > 0;
            update marts.user_segments set segment = null, status = 'no model yet'
            where status = 'segmented';
        """)
    for language in LANGUAGES:
        out = tmp_path / f"{language}.html"
        arguments = ["--warehouse", str(untrained), "--language", language, "--out", str(out)]
        assert main(["report", *arguments]) == 0
        page = out.read_text(encoding="utf-8")
        assert page.count(Words(language)("no_model")) > 1
        assert 'class="persona"' not in page


def test_missing_warehouse_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, out = tmp_path / "nothing.duckdb", tmp_path / "report.html"
    assert main(["report", "--warehouse", str(missing), "--out", str(out)]) == 2
    assert str(missing) in capsys.readouterr().err
    assert not missing.exists() and not out.exists()


def test_unfinished_warehouse_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unfinished = tmp_path / "unfinished.duckdb"
    duckdb.connect(str(unfinished)).close()
    assert main(["report", "--warehouse", str(unfinished), "--out", str(tmp_path / "x")]) == 2
    assert "dbt build" in capsys.readouterr().err


def test_pdf_without_a_browser_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)  # noqa: ARG005
    with pytest.raises(OSError, match="Chromium"):
        pdf.print_pdf(tmp_path / "page.html", tmp_path / "page.pdf")


def test_every_text_is_in_both_languages_and_used() -> None:
    for key, text in TEXTS.items():
        assert set(text) == set(LANGUAGES), key
        assert all(text.values()), key
        fields = [sorted(re.findall(r"{(\w+)}", text[language])) for language in LANGUAGES]
        assert fields[0] == fields[1], key
    code = "".join(path.read_text() for path in (REPORT.glob("*.py")))
    template = Environment(autoescape=True).parse((REPORT / "report.html.j2").read_text())
    named = {
        call.args[0].value
        for call in template.find_all(Call)
        if isinstance(call.node, Name) and call.node.name == "t" and isinstance(call.args[0], Const)
    }
    assert named <= set(TEXTS)
    # texts that are chosen by a value of the warehouse
    families = tuple(set(re.findall(r"""f["']([a-z_]+_){""", code)) | {"watch_", "h_"})
    for key in set(TEXTS) - named:
        assert f'"{key}"' in code or key.startswith(families), f"nothing says {key}"


def test_french_typography() -> None:
    words = Words("fr")
    assert words.number(1234567.891, 1) == f"1{THIN_SPACE}234{THIN_SPACE}567,9"
    assert words.percent(0.1234) == f"12,3{NO_BREAK}%"
    assert words.percent(0.0001) == f"<{NO_BREAK}0,1{NO_BREAK}%"
    assert words.percent(None) == words.number(float("nan")) == MISSING
    assert words.signed(-0.04) == words.signed(0.04) == "0,0"
    assert words.signed(-1.26) == "\N{MINUS SIGN}1,3"
    assert words.date(pd.Timestamp("2020-02-01")) == f"1er{NO_BREAK}février{NO_BREAK}2020"
    assert words.typeset("l'un : « deux » ; 5 % ?") == (
        f"l\N{RIGHT SINGLE QUOTATION MARK}un{NO_BREAK}: «{NO_BREAK}deux{NO_BREAK}»"
        f"{NO_BREAK}; 5{NO_BREAK}%{NO_BREAK}?"
    )


def test_english_typography() -> None:
    words = Words("en")
    assert words.number(1234567.891, 1) == "1,234,567.9"
    assert words.percent(0.1234) == "12.3%"
    assert words.date(pd.Timestamp("2020-02-01")) == f"1{NO_BREAK}February{NO_BREAK}2020"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_breaks_before_a_sign(pages: dict[str, str], language: str) -> None:
    said = re.sub(r"<style>.*?</style>|<[^>]+>", " ", pages[language], flags=re.DOTALL)
    assert not re.findall(r"\w [;?!%»]", said)
    assert not re.findall(r"\b(?:nan|NaN|NaT)\b", said) and ">None<" not in pages[language]
    assert not re.findall(r"{\w*}", said)


def test_personas_have_colours_of_their_own() -> None:
    assert len(set(PALETTE)) == len(PALETTE) == 10
    assert len({colour_of(segment) for segment in range(11)}) == 11
