"""The report: both languages, true figures, nothing of a single customer, and no crash on less."""

import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from jinja2 import Environment
from jinja2.nodes import Call, Const, Name
from warehouses import PROJECT, Warehouse

from amazing_segments.cli import main
from amazing_segments.report import pdf
from amazing_segments.report.charts import PALETTE, colour_of
from amazing_segments.report.contents import contents_of
from amazing_segments.report.figures import (
    SMALLEST_GROUP,
    Figures,
    hide_small_segments,
    read_figures,
    tellable,
)
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
    for name in ("loadings", "reasons", "jaccard", "sureness", "buyers", "registry", "moves"):
        tables[name] = tables[name].head(0)
    segments = tables["segments"]
    tables["segments"] = segments[segments["segment"] == 0]
    tables["threshold"] = figures.tables["threshold"].assign(
        model_version=None, source="not measured: too few customers", measured_min_events=None
    )
    return Figures(tables, None)


def texts_of(blocks: list) -> str:
    return " ".join(str(content) for kind, content in blocks if kind != "chart")


def section_of(figures: Figures, name: str, language: str = "en", **tables: pd.DataFrame) -> list:
    """Return the blocks of a section, with some tables in place of those of the figures."""
    # the charts of other sections take the most time
    undrawn = {name: figures.tables[name].head(0) for name in ("profiles", "min_events")}
    contents = contents_of(Figures(figures.tables | undrawn | tables, None), Words(language))
    (section,) = (
        section for section in contents["sections"] + contents["closing"] if section.name == name
    )
    return section.blocks


def rows_of(blocks: list) -> list[list[str]]:
    """Return the rows of the first table, none where there is no table."""
    return next((content.rows for kind, content in blocks if kind == "table"), [])


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
    tables["early"] = tables["early"].assign(macro_f1=None, is_best=False)
    tables["value"] = tables["value"].assign(base_rate=None, score=None)
    tables["health"] = tables["health"].assign(
        max_psi_feature=None, label_en=None, max_psi=None, segment_psi=None, atypical_share=None
    )
    segments = tables["segments"]
    tables["segments"] = segments[segments["segment"] <= 1]
    tables["model"] = tables["model"].assign(stability=None)
    tables["profiles"] = tables["profiles"].assign(deviation=None)
    words = Words("en")
    contents = contents_of(Figures(tables, None), words)
    said = " ".join(
        texts_of(section.blocks) for section in contents["sections"] + contents["closing"]
    )
    for key in (
        "importance_missing",
        "algorithms_missing",
        "map_missing",
        "early_missing",
        "value_missing",
        "moves_first",
    ):
        assert words(key) in said
    health = rows_of(section_of(Figures(tables, None), "health"))
    assert [value for _, value, _ in health].count(MISSING) == 2
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
        untrained = without_model(figures)
        limits = texts_of(section_of(untrained, "limits", statuses=statuses))
        assert words("status_robot") in limits
        assert ("(15,000)" in limits) == is_told
        rules = rows_of(section_of(untrained, "cleaning", statuses=statuses))
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
            delete from marts.segment_migrations;
            delete from marts.segments where segment > 0;
            update marts.user_segments set segment = null, status = 'no model yet'
            where status = 'segmented';
        """)
    for language in LANGUAGES:
        out = tmp_path / f"{language}.html"
        arguments = ["--warehouse", str(untrained), "--language", language, "--out", str(out)]
        assert main(["report", *arguments]) == 0
        page = out.read_text(encoding="utf-8")
        words = Words(language)
        assert page.count(words("no_model")) > 1
        for key in ("early_missing", "value_missing", "moves_first", "health_missing"):
            assert words(key) in page
        assert 'class="persona"' not in page


def test_refused_challenger_is_not_described(
    sample: Warehouse, figures: Figures, tmp_path: Path
) -> None:
    challenged = tmp_path / "challenged.duckdb"
    shutil.copy(sample.path, challenged)
    with duckdb.connect(str(challenged)) as connection:
        for table in (
            "algorithm_comparison",
            "business_value",
            "calibration",
            "early_classifiers",
            "feature_importance",
            "identities",
            "k_selection",
            "min_events",
            "parameters",
            "rules",
        ):
            connection.execute(f"""
                insert into segmentation.segmentation_{table}
                select * replace (2 as model_version) from segmentation.segmentation_{table}
            """)
        connection.execute("""
            update segmentation.segmentation_k_selection
            set refusal = 'less stable', promoted_at = null where model_version = 2;
            update segmentation.segmentation_parameters
            set value = value / 2 where model_version = 2;
        """)
    read = read_figures(str(challenged))
    for name, table in figures.tables.items():
        # the register tells of all versions
        if name not in ("registry", "statuses"):
            pd.testing.assert_frame_equal(table, read.tables[name])
    pd.testing.assert_frame_equal(figures.customer_map.users, read.customer_map.users)
    said = texts_of(section_of(read, "time"))
    assert Words("en")("registry_lead", version=1) in said
    assert Words("en")("registry_first") not in said

    # nor is its health, where it was in use before
    with duckdb.connect(str(challenged)) as connection:
        connection.execute("""
            insert into segmentation.segmentation_drift
            select * replace (2 as model_version) from segmentation.segmentation_drift
        """)
    said = texts_of(section_of(read_figures(str(challenged)), "health"))
    assert said == Words("en")("health_missing")


@pytest.mark.parametrize("language", LANGUAGES)
def test_early_classifiers_are_held_against_the_model(figures: Figures, language: str) -> None:
    columns = ["event_target", "classifier", "macro_f1", "macro_f1_low", "macro_f1_high", "is_best"]
    early = pd.DataFrame(
        [
            (1, "model", 0.29, 0.25, 0.33, False),
            (1, "svm", 0.39, 0.34, 0.43, True),
            # higher, but as they are read the interval begins where the model is
            (5, "model", 0.5612, 0.51, 0.60, False),
            (5, "random_forest", 0.60, 0.5638, 0.64, True),
            (8, "model", 0.66, 0.62, 0.70, True),
            (8, "svm", 0.65, 0.61, 0.69, False),
        ],
        columns=columns,
    )
    words = Words(language)
    blocks = section_of(figures, "early", language, early=early)
    verdicts = [(row[0], row[1], row[-1]) for row in rows_of(blocks)]
    assert verdicts == [
        ("1", words("classifier_svm"), words("gain_clear")),
        ("5", words("classifier_random_forest"), words("gain_unclear")),
        ("8", words("classifier_model"), words("gain_unclear")),
    ]
    (lead,) = (content for kind, content in blocks if kind == "lead")
    assert all(words.number(f1, 2) in lead for f1 in (0.39, 0.29))
    assert not any(words.number(f1, 2) in lead for f1 in (0.60, 0.56, 0.66))
    assert words("early_tautology") in texts_of(blocks)

    (lead,) = (
        content
        for kind, content in section_of(figures, "early", language, early=early[2:])
        if kind == "lead"
    )
    assert lead == words("early_none")


@pytest.mark.parametrize("language", LANGUAGES)
def test_lost_value_is_said_with_its_figures(
    sample: Warehouse, figures: Figures, language: str
) -> None:
    words = Words(language)
    blocks = section_of(figures, "value", language)
    scores = sample.rows("""
        select segments.outcome,
            coalesce(segments.average_precision, segments.rank_correlation),
            coalesce(features.average_precision, features.rank_correlation)
        from segmentation.segmentation_business_value as segments
        inner join segmentation.segmentation_business_value as features using (outcome)
        where segments.predictor = 'segments' and features.predictor = 'features'
    """)
    assert len(scores) == 3
    (lead,) = (content for kind, content in blocks if kind == "lead")
    for outcome, segments, features in scores:
        assert segments < features
        assert (
            words(
                "value_pair",
                outcome=words(f"told_{outcome}"),
                value=words.number(segments, 2),
                other=words.number(features, 2),
            )
            in lead
        )
    assert lead.startswith(words("value_features_worse", pairs="").rstrip("."))
    assert words("value_why") in texts_of(blocks)

    value = figures.tables["value"]
    swapped = value.replace({"predictor": {"segments": "features", "features": "segments"}})
    blocks = section_of(figures, "value", language, value=swapped)
    (lead,) = (content for kind, content in blocks if kind == "lead")
    assert lead.startswith(words("value_features_better", pairs="").rstrip("."))
    assert words("value_why") not in texts_of(blocks)


def test_outcome_of_few_customers_is_not_told(figures: Figures) -> None:
    value = figures.tables["value"]
    words = Words("en")
    word = words("told_ordered")
    untold = words("value_untold", outcomes=word)
    number = value["user_count"].iloc[0]
    said = texts_of(section_of(figures, "value"))
    assert f"{word} " in said and untold not in said
    for had_it in (99, number - 9):
        few = value["base_rate"].mask(value["outcome"] == "ordered", had_it / number)
        blocks = section_of(figures, "value", value=value.assign(base_rate=few))
        said = texts_of(blocks)
        assert f"{word} " not in said and untold in said


@pytest.mark.parametrize("verdict", ["keep", "warn", "retrain"])
def test_health_says_verdict_and_reasons(figures: Figures, verdict: str) -> None:
    health = figures.tables["health"].assign(
        verdict=verdict,
        reasons_fr="" if verdict == "keep" else "dérive 0.31 > 0.25; âge en jours 61.00 > 60;",
        max_psi=0.31,
    )
    words = Words("fr")
    blocks = section_of(figures, "health", "fr", health=health)
    assert ("lead", words(f"health_{verdict}")) in blocks
    reasons = [content for kind, content in blocks if kind == "list"]
    assert reasons == (
        [] if verdict == "keep" else [["dérive 0,31 > 0,25", "âge en jours 61 > 60"]]
    )
    measure, value, _ = rows_of(blocks)[0]
    assert words.of(health.iloc[0], "label") in measure and value == "0,31"
    assert health["label_fr"].notna().all()


def test_health_of_few_customers_is_not_told(figures: Figures) -> None:
    words = Words("en")
    segments, health = figures.tables["segments"], figures.tables["health"]
    number = health["user_count"].iloc[0]

    def shares(**tables: pd.DataFrame) -> list[str]:
        return [value for _, value, _ in rows_of(section_of(figures, "health", **tables))[-3:]]

    assert words("not_shown") not in shares()
    for count, is_told in ((9, False), (10, True), (number - 9, False), (0, True)):
        atypical, *others = shares(health=health.assign(atypical_share=count / number))
        assert (atypical == words("not_shown")) != is_told
        assert words("not_shown") not in others
    # less those without a segment it would give the customers of the hidden one
    hidden = segments.assign(is_hidden=segments["segment"] == 1)
    assert shares(segments=hidden)[-1] == words("not_shown")


def moves_of(*moves: tuple[str, str, str | None, int]) -> pd.DataFrame:
    """Return a month of segment_migrations."""
    columns = ["previous_persona", "persona", "cause", "user_count"]
    table = pd.DataFrame(moves, columns=columns).sort_values("user_count", ascending=False)
    for language in LANGUAGES:
        table[f"previous_persona_name_{language}"] = table["previous_persona"]
        table[f"persona_name_{language}"] = table["persona"]
        table[f"cause_{language}"] = table["cause"]
    return table.assign(
        month_on=pd.Timestamp("2020-04-01"), previous_month_on=pd.Timestamp("2020-03-01")
    )


STAYED = ("a", "a", None, 1000)
ENTERED = ("unsegmented", "a", "behaviour", 200)
LEFT = ("b", "unsegmented", "model", 71)
CHANGED = [
    ("a", "b", "behaviour", 40),
    ("b", "a", "behaviour", 12),
    ("a", "c", "behaviour", 5),
    ("b", "c", "model", 30),
    ("c", "b", "clock", 9),
]


def test_moves_hide_what_subtraction_would_give(figures: Figures) -> None:
    words = Words("en")
    blocks = section_of(figures, "time", moves=moves_of(STAYED, ENTERED, LEFT, *CHANGED))
    said = texts_of(blocks)
    (lead,) = (content for kind, content in blocks if kind == "lead")
    assert "96 customers" in lead and words.percent(96 / 1096) in lead and "March" in lead
    assert words("moves_entered", number="200") in said
    assert words("moves_left", number="71") in said
    # 12 less the sum of their cause would give 5; 30 with the share of the other cause, 9
    assert rows_of(blocks) == [["a", "b", "behaviour", "40"]]
    (causes,) = (content for kind, content in blocks if kind == "list")
    assert causes == [
        f"{words.percent(57 / 96)}: {words('cause_behaviour')}",
        f"{words.percent(39 / 96)}: {words('cause_other')}",
    ]


@pytest.mark.parametrize(
    ("moves", "key"),
    [
        ([STAYED, ENTERED], "moves_none"),
        ([STAYED, ENTERED, ("a", "b", "clock", 9)], "moves_few"),
        # the number of all with a segment is known
        ([("a", "b", "clock", 300), ("a", "a", None, 4), (*ENTERED[:3], 5)], "moves_few"),
    ],
)
def test_few_moves_are_not_counted(figures: Figures, moves: list, key: str) -> None:
    blocks = section_of(figures, "time", moves=moves_of(*moves))
    text = Words("en")(key, since=f"March{NO_BREAK}2020")
    assert ("text", text) in blocks
    assert "lead" not in dict(blocks)


@pytest.mark.parametrize("few", [(*STAYED[:3], 9), (*ENTERED[:3], 9)])
def test_moves_leave_few_others_unknown(figures: Figures, few: tuple) -> None:
    others = [move for move in (STAYED, ENTERED) if move[:3] != few[:3]]
    said = texts_of(section_of(figures, "time", moves=moves_of(few, *others, *CHANGED)))
    assert "96 customers have changed persona." in said
    assert "had none and got one" not in said


def test_moves_do_not_give_a_hidden_segment_away(figures: Figures) -> None:
    segments = figures.tables["segments"]
    hidden = segments.assign(is_hidden=segments["segment"] == 1)
    moves = moves_of(STAYED, ENTERED, (*LEFT[:3], 9), *CHANGED)
    for table, is_told in ((segments, True), (hidden, False)):
        said = texts_of(section_of(figures, "time", moves=moves, segments=table))
        assert ("had none and got one" in said) == is_told
        assert "have none any more" not in said


def test_no_causes_where_each_is_of_few(figures: Figures) -> None:
    moves = moves_of(STAYED, ("a", "b", "clock", 9), ("a", "b", "behaviour", 8))
    blocks = section_of(figures, "time", moves=moves)
    assert "17 customers" in texts_of(blocks)
    assert "list" not in dict(blocks)


def test_newest_month_is_told(sample: Warehouse, pages: dict[str, str], tmp_path: Path) -> None:
    assert Words("en")("moves_first") in pages["en"]
    later = tmp_path / "later.duckdb"
    shutil.copy(sample.path, later)
    with duckdb.connect(str(later)) as connection:
        connection.execute("""
            insert into marts.segment_migrations
            select * replace (
                cast(month_on + interval 2 month as date) as month_on,
                month_on as previous_month_on,
                'unsegmented' as previous_persona,
                'behaviour' as cause
            )
            from marts.segment_migrations
        """)
    moves = read_figures(str(later)).tables["moves"]
    assert set(moves["cause"]) == {"behaviour"} and len(moves) > 0
    assert moves["user_count"].is_monotonic_decreasing


def test_told_numbers_leave_none_of_few_to_subtraction() -> None:
    chance = np.random.default_rng(0)
    for _ in range(500):
        counts = pd.Series(chance.choice([0, 1, 4, 9, 10, 11, 50], chance.integers(1, 6)))
        is_told = tellable(counts)
        rest = counts[~is_told].sum()
        assert (counts[is_told] >= SMALLEST_GROUP).all()
        assert rest == 0 or rest >= SMALLEST_GROUP or not is_told.any()
        # no more is hidden than one
        assert ((counts >= SMALLEST_GROUP) & ~is_told).sum() <= 1


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
