"""What stands in each section of the report: figures in, words, tables and charts out.

A function a section. Where a figure is missing, its sentence is, or a sentence says so.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from markupsafe import Markup

from amazing_segments.report import charts
from amazing_segments.report.figures import SMALLEST_GROUP, Figures, tellable
from amazing_segments.report.words import Words

# Below the first a segment is doubtful, below the second it is not found again (Hennig 2007).
JACCARD_LIMITS = (0.75, 0.60)
STABLE = 0.6
GATES = ("stable", "distinct", "addressable")
SHOWN_FEATURES = 5
SHOWN_REASONS = 4
SHOWN_LOADINGS = 3
SHOWN_MOVES = 10
PREDICTORS = ("features", "segments_and_rfm", "rfm", "segments", "none")


@dataclass
class Section:
    """A part of the report.

    Attributes:
        name: Key of its heading (`h_` before it) and its anchor.
        blocks: Pairs of a kind (text, title, chart, table, list, ...) and what it shows, in order.
    """

    name: str
    blocks: list[tuple[str, Any]] = field(default_factory=list)

    def add(self, kind: str, content: Any) -> None:
        """Append a block."""
        self.blocks.append((kind, content))

    def chart(self, svg: str) -> None:
        """Append a chart."""
        # made by our own code of escaped words
        self.add("chart", Markup(svg))  # noqa: S704


@dataclass(frozen=True)
class Table:
    """A table: its header, its rows, and the columns of words (others hold numbers)."""

    header: list[str]
    rows: list[list[str]]
    text_columns: tuple[int, ...] = (0,)


def contents_of(figures: Figures, words: Words) -> dict[str, Any]:
    """Return what the template shows."""
    tables = figures.tables
    segments = tables["segments"]
    personas = [
        _persona(row, tables, words) for _, row in segments[segments["segment"] > 0].iterrows()
    ]
    sections = [
        _data(tables, words),
        _cleaning(tables, words),
        _features(tables, words),
        _choice(tables, words),
        _threshold(tables, words),
        _early(tables, words),
        _map(figures, words),
    ]
    return {
        "language": words.language,
        "subtitle": words("subtitle", as_of=words.date(_as_of(tables))),
        "summary": _summary(tables, words),
        "sections": sections,
        "personas": personas,
        "closing": [section(tables, words) for section in (_value, _time, _health, _limits)],
    }


def _as_of(tables: dict[str, pd.DataFrame]) -> pd.Timestamp | None:
    segments = tables["segments"]
    return None if segments.empty else segments["as_of"].max()


def _shown(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the segments whose figures may be shown, that of nobody left out."""
    segments = tables["segments"]
    return segments[(segments["segment"] > 0) & ~segments["is_hidden"]]


def _summary(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("summary")
    segments, shown, files = tables["segments"], _shown(tables), tables["files"].iloc[0]
    customers = tables["customers"].iloc[0]
    section.add(
        "tiles",
        [
            (words("customers"), words.number(customers["all_count"])),
            (words("classified"), words.number(shown["user_count"].sum())),
            (words("segments"), words.number((segments["segment"] > 0).sum())),
            (words("orders"), words.number(customers["order_count"])),
            (words("revenue"), words.number(customers["revenue_amount"])),
        ],
    )
    if shown.empty:
        section.add("note", words("no_model"))
        return section
    section.add(
        "lead",
        words(
            "summary_lead",
            first=words.date(files["first_event_at"]),
            last=words.date(_as_of(tables)),
            customers=words.number(customers["all_count"]),
            orders=words.number(customers["order_count"]),
            classified=words.number(shown["user_count"].sum()),
            classified_share=words.percent(shown["user_share"].sum()),
            segments=words.number((segments["segment"] > 0).sum()),
            revenue_share=words.percent(shown["revenue_share"].sum()),
        ),
    )
    by_revenue = shown.sort_values(["revenue_share", "user_count"], ascending=False)
    top = by_revenue.iloc[0]
    if top["revenue_share"] > 0:
        section.add(
            "text",
            words(
                "summary_top",
                name=words.of(top, "persona_name"),
                user_share=words.percent(top["user_share"]),
                revenue_share=words.percent(top["revenue_share"]),
            ),
        )
    listed = pd.concat([shown, segments[segments["segment"] == 0]])
    section.chart(charts.persona_shares(listed, words))
    section.add("title", words("what_to_do"))
    section.add("text", words("what_to_do_lead"))
    section.add(
        "named",
        [
            (
                charts.colour_of(row["segment"]),
                words.of(row, "persona_name"),
                words.of(row, "advice"),
            )
            for _, row in by_revenue.head(3).iterrows()
        ],
    )
    section.add("title", words("how_sure"))
    section.add("list", _sureness(tables, words))
    return section


def _sureness(tables: dict[str, pd.DataFrame], words: Words) -> list[str]:
    stability = tables["model"].iloc[0]["stability"]
    kept = tables["calibration"].dropna(subset="kept_share")
    sentences = []
    if pd.notna(stability):
        key = "sure_stability" if stability >= STABLE else "sure_stability_low"
        sentences.append(words(key, value=words.number(stability, 2)))
    if kept.empty:
        sentences.append(words("sure_kept_unknown"))
    else:
        share = (kept["kept_share"] * kept["user_count"]).sum() / kept["user_count"].sum()
        sentences.append(words("sure_kept", value=words.percent(share, 0)))
    events = tables["threshold"].iloc[0]["min_events"]
    sentences.append(words("sure_threshold", value=words.number(events)))
    return [*sentences, words("sure_limits")]


def _data(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("data")
    files, events = tables["files"].iloc[0], tables["events"]
    visits, customers = tables["visits"].iloc[0], tables["customers"].iloc[0]
    if events.empty:
        section.add("note", words("data_empty"))
        return section
    rows = tables["quality"].set_index("rule")["row_count"]
    section.add(
        "text",
        words(
            "data_lead",
            files=words.number(files["loaded_count"]),
            first=words.date(files["first_event_at"]),
            last=words.date(files["last_event_at"]),
            rows=words.number(rows.get("row")),
            kept=words.number(rows.get("kept")),
        ),
    )
    if files["file_count"] > files["loaded_count"]:
        number = words.number(files["file_count"] - files["loaded_count"])
        section.add("text", words("data_refused", number=number))
    section.chart(charts.events_by_month(events, words))
    by_type = events.groupby("event_type")["event_count"].sum().sort_values(ascending=False)
    section.add(
        "table",
        Table(
            [words("event_type"), words("events"), words("share")],
            [
                [words(f"type_{kind}"), words.number(count), words.percent(count / by_type.sum())]
                for kind, count in by_type.items()
            ],
        ),
    )
    section.chart(charts.funnel(visits, customers, words))
    section.add(
        "text",
        words(
            "data_funnel",
            share=words.percent(_ratio(visits["purchase_count"], visits["all_count"])),
            customer_share=words.percent(
                _ratio(customers["purchase_count"], customers["all_count"])
            ),
            again=_group(customers["again_count"], words),
        ),
    )
    return section


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _are_few(number: float) -> bool:
    """Return whether there are customers, but too few to tell."""
    return 0 < number < SMALLEST_GROUP


def _group(number: float, words: Words) -> str:
    """Return a number of customers, unless they are too few to tell."""
    if _are_few(number):
        return words("few", number=SMALLEST_GROUP)
    return words.number(number)


def _cleaning(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("cleaning")
    section.add("text", words("cleaning_lead"))
    statuses = tables["statuses"].set_index("status")["user_count"]
    are_robots_few = 0 < statuses.get("robot", 0) < SMALLEST_GROUP
    rows = []
    for _, row in tables["quality"].iterrows():
        share = _ratio(row["row_count"], tables["quality"]["row_count"].max())
        # the lines of so few robots would tell of each
        is_told = row["rule"] != "robot" or not are_robots_few
        rows.append(
            [
                words.of(row, "reason"),
                words(f"outcome_{row['outcome'].replace(' ', '_')}"),
                *(
                    [words.number(row["row_count"]), words.percent(share)]
                    if is_told
                    else [words("not_shown"), ""]
                ),
            ]
        )
    header = [words(column) for column in ("rule", "outcome", "lines", "share")]
    section.add("table", Table(header, rows, text_columns=(0, 1)))
    return section


def _features(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("features")
    catalogue, importance = tables["catalogue"], tables["importance"]
    section.add(
        "text",
        words(
            "features_lead",
            all=words.number(len(catalogue)),
            used=words.number(catalogue["is_in_model"].sum()),
        ),
    )
    section.add(
        "table",
        Table(
            [words("family"), words("measures"), words("in_model")],
            [
                [
                    words(f"family_{family}"),
                    ", ".join(words.of(row, "label") for _, row in group.iterrows()),
                    ", ".join(
                        words.of(row, "label") for _, row in group[group["is_in_model"]].iterrows()
                    ),
                ]
                for family, group in catalogue.groupby("family", sort=False)
            ],
            text_columns=(0, 1, 2),
        ),
    )
    section.add("title", words("importance_title"))
    used = importance[importance["is_in_model"]]
    if used["permutation_importance"].notna().any():
        section.add("text", words("importance_lead"))
        section.chart(charts.feature_importance(used, words))
    else:
        section.add("note", words("importance_missing"))
        return section
    section.add("title", words("watched_title"))
    section.add("text", words("watched_lead"))
    watched = used[used["verdict"].str.contains("watch")]
    section.add(
        "list",
        [
            f"{words.of(row, 'label')}{words.colon}"
            + words("watch_" + row["verdict"].split(": ")[1].replace(" ", "_"))
            for _, row in watched.iterrows()
        ]
        or [words("watched_none")],
    )
    first = used.iloc[0]
    if pd.notna(first["segments_by_tenure"]):
        section.add(
            "text",
            words(
                "watched_segments",
                tenure=words.number(first["segments_by_tenure"], 2),
                carts=words.number(first["segments_by_cart_logging"], 2),
            ),
        )
    section.add("title", words("redundant_title"))
    redundant = importance[importance["is_redundant"]]
    if redundant.empty:
        section.add("text", words("redundant_none"))
    else:
        section.add("text", words("redundant_lead"))
        section.add(
            "list",
            [
                words.of(row, "label")
                + words.colon
                + words(
                    "repeats",
                    feature=words.of(row, "nearest"),
                    correlation=words.number(row["correlation"], 2),
                )
                for _, row in redundant.iterrows()
            ],
        )
    return section


def _choice(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("choice")
    candidates, algorithms = tables["k_selection"], tables["algorithms"]
    if candidates.empty:
        section.add("note", words("no_model"))
        return section
    chosen = candidates[candidates["is_chosen"]].iloc[0]
    passed = {gate: bool(chosen[f"is_{gate}"]) for gate in GATES}
    section.add("title", words("k_title"))
    section.add(
        "text",
        words(
            "k_lead" if all(passed.values()) else "k_lead_no_gate",
            low=words.number(candidates["k"].min()),
            high=words.number(candidates["k"].max()),
            chosen=words.number(chosen["k"]),
        ),
    )
    section.chart(charts.k_selection(candidates, words))
    section.add("help", words("k_help"))
    section.add("text", words("gates", k=words.number(chosen["k"])) + words.colon)
    section.add(
        "list",
        [
            words(f"gate_{gate}") + words.colon + words("passed" if is_passed else "failed")
            for gate, is_passed in passed.items()
        ],
    )
    section.add("title", words("algorithms_title"))
    if algorithms.empty:
        section.add("note", words("algorithms_missing"))
        return section
    section.add("text", words("algorithms_lead"))
    section.add(
        "table",
        Table(
            [
                words(column)
                for column in ("algorithm", "segments", "stability", "separation", "verdict")
            ],
            [
                [
                    words(f"algorithm_{row['algorithm']}"),
                    words.number(row["segment_count"]),
                    words.number(row["stability"], 2),
                    words.number(row["separation"], 2),
                    words.of(row, "reason"),
                ]
                for _, row in algorithms.iterrows()
            ],
            text_columns=(0, 4),
        ),
    )
    return section


def _threshold(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("threshold")
    threshold, measured = tables["threshold"].iloc[0], tables["min_events"]
    events = int(threshold["min_events"])
    overall = measured[measured["segment"].isna()]
    found = overall[overall["is_threshold"]]
    values: dict[str, str] = {"events": words.number(events)}
    if not found.empty:
        row = found.iloc[0]
        values |= {
            "target": words.number(row["target_kappa"], 2),
            "kappa": words.number(row["odd_even_kappa"], 2),
            "low": words.number(row["odd_even_kappa_low"], 2),
            "high": words.number(row["odd_even_kappa_high"], 2),
        }
    if threshold["source"] == "set by hand":
        key = "threshold_by_hand"
    elif found.empty:
        key = "threshold_unmeasured"
    else:
        is_reached = threshold["source"] == "measured"
        key = "threshold_measured" if is_reached else "threshold_none"
    section.add("text", words("threshold_lead"))
    section.add("lead", words(key, **values))
    at = overall[overall["event_target"] == events]
    if not at.empty:
        row = at.iloc[0]
        section.add(
            "text",
            words(
                "threshold_cost",
                users=words.percent(row["left_out_user_share"]),
                revenue=words.percent(row["left_out_revenue_share"]),
            ),
        )
    if overall["odd_even_kappa"].notna().any():
        section.chart(charts.min_events(overall, events, words))
        shown = _shown(tables)
        if not shown.empty:
            section.add("text", words("threshold_personas"))
            section.chart(charts.min_events_by_persona(measured, shown, events, words))
    return section


def _early(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("early")
    compared = tables["early"].dropna(subset="macro_f1")
    section.add("text", words("early_lead"))
    if compared.empty:
        section.add("note", words("early_missing"))
        return section
    of_model = compared[compared["classifier"] == "model"].set_index("event_target")["macro_f1"]
    best = compared[compared["is_best"]]
    best = best.assign(model=best["event_target"].map(of_model))
    # as it is read, with two decimals
    best["is_clear"] = best["macro_f1_low"].round(2) > best["model"].round(2)
    clear = best[best["is_clear"]]
    gains = [
        words(
            "early_gain",
            events=words.number(row["event_target"]),
            classifier=words(f"classifier_{row['classifier']}"),
            value=words.number(row["macro_f1"], 2),
            model=words.number(row["model"], 2),
        )
        for _, row in clear.iterrows()
    ]
    section.add(
        "lead",
        words("early_clear", gains=words.semicolon.join(gains)) if gains else words("early_none"),
    )
    section.chart(charts.early_classifiers(compared, words))
    section.add(
        "table",
        Table(
            [
                words(column)
                for column in ("first_events", "best", "its_f1", "model_f1", "gain", "verdict")
            ],
            [
                [
                    words.number(row["event_target"]),
                    words(f"classifier_{row['classifier']}"),
                    words(
                        "interval",
                        value=words.number(row["macro_f1"], 2),
                        low=words.number(row["macro_f1_low"], 2),
                        high=words.number(row["macro_f1_high"], 2),
                    ),
                    words.number(row["model"], 2),
                    words.signed(row["macro_f1"] - row["model"], 2),
                    words("gain_clear" if row["is_clear"] else "gain_unclear"),
                ]
                for _, row in best.iterrows()
            ],
            text_columns=(0, 1, 5),
        ),
    )
    section.add("help", words("early_help"))
    section.add("text", words("early_tautology"))
    return section


def _map(figures: Figures, words: Words) -> Section:
    section = Section("map")
    drawn = figures.customer_map
    if drawn is None or drawn.users.empty:
        section.add("note", words("map_missing"))
        return section
    section.add(
        "text",
        words(
            "map_lead",
            number=words.number(len(drawn.users)),
            share=words.percent(sum(drawn.explained), 0),
        ),
    )
    section.chart(charts.customer_map(drawn, _shown(figures.tables), words))
    loadings = figures.tables["loadings"]
    for number in (1, 2):
        largest = loadings[loadings["component"] == number].head(SHOWN_LOADINGS)
        features = ", ".join(words.of(row, "label") for _, row in largest.iterrows())
        section.add("help", words("map_axis", number=number, features=features))
    return section


@dataclass(frozen=True)
class Persona:
    """The page of a segment; without figures where it is too small to tell them."""

    segment: int
    name: str
    colour: str
    description: str
    advice: str
    tiles: list[tuple[str, str, str]]
    chart: Markup | None
    sets_apart: str
    profile: Table | None
    rule: str
    reasons: Table | None
    sureness: list[tuple[str, str]]


def _persona(row: pd.Series, tables: dict[str, pd.DataFrame], words: Words) -> Persona:
    segment = int(row["segment"])
    page = {
        "segment": segment,
        "name": words.of(row, "persona_name"),
        "colour": charts.colour_of(segment),
        "description": words.of(row, "description"),
        "advice": words.of(row, "advice"),
    }
    if row["is_hidden"]:
        return Persona(
            **page,
            tiles=[],
            chart=None,
            sets_apart="",
            profile=None,
            rule=words("hidden_segment", number=SMALLEST_GROUP),
            reasons=None,
            sureness=[],
        )
    profiles = tables["profiles"]
    known = profiles[(profiles["segment"] == segment) & profiles["deviation"].notna()]
    of_model = known[known["is_in_model"]]
    return Persona(
        **page,
        tiles=_persona_tiles(row, _of_segment(tables["buyers"], segment), words),
        # made by our own code of escaped words
        chart=None if of_model.empty else Markup(charts.deviations(of_model, segment, words)),  # noqa: S704
        sets_apart=_capital(words.of(row, "sets_apart")),
        profile=None if known.empty else _profile(known, words),
        rule=_rule(segment, tables["rules"], words),
        reasons=_reasons(row, tables["reasons"], words),
        sureness=_firmness(row, tables, words),
    )


def _persona_tiles(
    row: pd.Series, buyers: pd.DataFrame, words: Words
) -> list[tuple[str, str, str]]:
    users = words.number(row["user_count"])
    tiles = [(words("of_customers"), words.percent(row["user_share"]), users)]
    if buyers["user_count"].between(1, SMALLEST_GROUP - 1).any():
        # orders and revenue would tell of these few
        return [*tiles, (words("orders"), words("few_buyers"), "")]
    average = _ratio(float(row["revenue_amount"]), row["order_count"])
    return [
        *tiles,
        (
            words("of_orders"),
            words.percent(row["order_share"]),
            words.number(row["order_count"]),
        ),
        (
            words("of_revenue"),
            words.percent(row["revenue_share"]),
            words.number(row["revenue_amount"]),
        ),
        (words("average_order"), words.number(average), ""),
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _profile(known: pd.DataFrame, words: Words) -> Table:
    return Table(
        [words("measure"), words("their_mean"), words("all_mean")],
        [
            [
                words.of(row, "label"),
                words.value(row["mean"], row["unit"]),
                words.value(row["population_mean"], row["unit"]),
            ]
            for _, row in known.head(SHOWN_FEATURES).iterrows()
        ],
    )


def _rule(segment: int, rules: pd.DataFrame, words: Words) -> str:
    rules = rules[(rules["segment"] == segment) & rules[f"conditions_{words.language}"].notna()]
    if rules.empty or pd.isna(rules.iloc[0]["precision"]):
        return words("rule_missing")
    rule = rules.iloc[0]
    conditions = words.of(rule, "conditions")
    return words(
        "rule_text",
        conditions=_capital(conditions),
        coverage=words.percent(rule["coverage"], 0),
        precision=words.percent(rule["precision"], 0),
    )


def _reasons(row: pd.Series, reasons: pd.DataFrame, words: Words) -> Table | None:
    own = reasons[reasons["segment"] == row["segment"]].head(SHOWN_REASONS)
    if own.empty:
        return None
    rows = []
    for _, reason in own.iterrows():
        direction = words(f"direction_{reason['direction']}")
        share = words.percent(reason["user_count"] / row["user_count"], 0)
        rows.append([f"{words.of(reason, 'label')}{words.colon}{direction}", share])
    return Table([words("measure"), words("share")], rows)


def _firmness(
    row: pd.Series, tables: dict[str, pd.DataFrame], words: Words
) -> list[tuple[str, str]]:
    segment = row["segment"]
    facts = [(words("mean_confidence"), words.number(row["mean_confidence"], 2))]
    for _, own in _of_segment(tables["sureness"], segment).iterrows():
        facts.append((words("persistence"), words.percent(own["persistence"], 0)))
        count = own["between_count"]
        is_told = count == 0 or count >= SMALLEST_GROUP
        share = words.percent(count / row["user_count"]) if is_told else _group(count, words)
        facts.append((words("between"), share))
    jaccard, kappa = _jaccard(segment, tables), _kappa(segment, tables)
    if pd.notna(jaccard):
        verdict = words(f"jaccard_{_jaccard_verdict(jaccard)}")
        facts.append((words("jaccard"), f"{words.number(jaccard, 2)} ({verdict})"))
    if pd.notna(kappa):
        facts.append((words("kappa_here"), words.number(kappa, 2)))
    for _, identity in _of_segment(tables["personas"], segment).iterrows():
        born = tables["registry"].set_index("identity")["born_in_version"]
        facts.append(
            (
                words("identity"),
                words(
                    "identity_text",
                    identity=identity["identity"],
                    version=words.number(born.get(identity["identity"])),
                )
                + words.semicolon
                + (
                    words("named_by_signature")
                    if pd.isna(identity["decided_by"])
                    else words(
                        "named_by",
                        who=identity["decided_by"],
                        when=words.date(identity["decided_on"]),
                    )
                ),
            )
        )
    return facts


def _of_segment(table: pd.DataFrame, segment: int) -> pd.DataFrame:
    return table[table["segment"] == segment]


def _jaccard(segment: int, tables: dict[str, pd.DataFrame]) -> float | None:
    own = _of_segment(tables["jaccard"], segment)
    return None if own.empty else own["jaccard"].iloc[0]


def _jaccard_verdict(jaccard: float) -> str:
    valid, doubtful = JACCARD_LIMITS
    return "valid" if jaccard >= valid else "doubtful" if jaccard >= doubtful else "dissolved"


def _kappa(segment: int | None, tables: dict[str, pd.DataFrame], name: str = "odd_even") -> Any:
    """Return the kappa of a segment, or of all, at the threshold."""
    measured = tables["min_events"]
    at = measured[measured["event_target"] == tables["threshold"].iloc[0]["min_events"]]
    own = at[at["segment"].isna()] if segment is None else _of_segment(at, segment)
    return None if own.empty else own[f"{name}_kappa"].iloc[0]


def _value(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("value")
    value = tables["value"].dropna(subset="score")
    with_outcome = value["base_rate"] * value["user_count"]
    without = value["user_count"] - with_outcome
    # a tenth of the customers is told of, and by chance a tenth of the outcome
    value = value[(with_outcome >= 10 * SMALLEST_GROUP) & (without >= SMALLEST_GROUP)]
    of_personas = value[value["predictor"] == "segments"]
    if of_personas.empty:
        section.add("note", words("value_missing"))
        return section
    scores = value.pivot_table(index="outcome", columns="predictor", values="score")
    scores = scores.reindex(index=of_personas["outcome"], columns=PREDICTORS)
    section.add("text", words("value_lead", number=words.number(of_personas["user_count"].iloc[0])))
    for other in ("features", "rfm"):
        known = scores.dropna(subset=other)
        is_better = known["segments"] >= known[other]
        for side, chosen in (("worse", known[~is_better]), ("better", known[is_better])):
            phrases = [
                words(
                    "value_pair",
                    outcome=words(f"told_{outcome}"),
                    value=words.number(row["segments"], 2),
                    other=words.number(row[other], 2),
                )
                for outcome, row in chosen.iterrows()
            ]
            if phrases:
                kind = "lead" if other == "features" else "text"
                pairs = words.semicolon.join(phrases)
                section.add(kind, words(f"value_{other}_{side}", pairs=pairs))
    section.chart(charts.business_value(scores, words))
    section.add("help", words("value_help"))
    untold = [
        words(f"told_{outcome}")
        for outcome in tables["value"]["outcome"].unique()
        if outcome not in scores.index
    ]
    if untold:
        section.add("help", words("value_untold", outcomes=", ".join(untold)))
    phrases = [
        words(
            "value_lift",
            outcome=words(f"told_{row['outcome']}"),
            lift=words.number(row["top_tenth_lift"], 1),
        )
        for _, row in of_personas.iterrows()
    ]
    section.add("text", words("value_tenth", lifts=words.semicolon.join(phrases)))
    if (scores["segments"] < scores["features"]).any():
        section.add("text", words("value_why"))
    return section


def _time(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("time")
    registry = tables["registry"]
    section.add("title", words("calibration_title"))
    if tables["calibration"]["kept_share"].notna().any():
        section.add("text", words("calibration_lead"))
        section.chart(charts.calibration(tables["calibration"], words))
    else:
        section.add("note", words("sure_kept_unknown"))
    section.add("title", words("moves_title"))
    _add_moves(section, tables, words)
    section.add("title", words("registry_title"))
    if registry.empty:
        section.add("note", words("no_model"))
        return section
    section.add("text", words("registry_lead", version=tables["model"].iloc[0]["model_version"]))
    if registry["last_version"].max() == 1:
        section.add("text", words("registry_first"))
    section.add(
        "table",
        Table(
            [words(column) for column in ("identity", "persona", "born", "lives", "shared_before")],
            [
                [
                    row["identity"],
                    words.of(row, "name"),
                    words.number(row["born_in_version"]),
                    words("active")
                    if row["is_active"]
                    else words("retired", version=words.number(row["retired_in_version"])),
                    words.percent(row["last_jaccard"], 0),
                ]
                for _, row in registry.iterrows()
            ],
            text_columns=(0, 1, 3),
        ),
    )
    return section


def _add_moves(section: Section, tables: dict[str, pd.DataFrame], words: Words) -> None:
    moves = tables["moves"]
    if moves.empty or moves["previous_month_on"].isna().all():
        section.add("note", words("moves_first"))
        return
    had, has = moves["previous_persona"] != "unsegmented", moves["persona"] != "unsegmented"
    changed = moves[had & has & moves["cause"].notna()]
    number, stayed, entered, left = (
        moves.loc[chosen, "user_count"].sum()
        for chosen in (changed.index, moves["cause"].isna(), ~had & has, ~has)
    )
    since = words.month_in_words(moves["previous_month_on"].max())
    # the number of those who have a segment is known: that less the others would tell of these
    if _are_few(number) or _are_few(stayed + entered) or not number:
        section.add("text", words("moves_few" if number else "moves_none", since=since))
        return
    are_others_told = not (_are_few(stayed) or _are_few(entered))
    section.add(
        "lead",
        words("moves_lead", since=since, number=words.number(number))
        + (
            words("moves_share", share=words.percent(number / (number + stayed)))
            if are_others_told
            else "."
        ),
    )
    # those of a hidden segment could be found, too
    if entered and are_others_told and not tables["segments"]["is_hidden"].any():
        section.add("text", words("moves_entered", number=words.number(entered)))
    if left >= SMALLEST_GROUP:
        section.add("text", words("moves_left", number=words.number(left)))
    _add_causes(section, changed, words)


def _add_causes(section: Section, changed: pd.DataFrame, words: Words) -> None:
    of_cause = changed.groupby("cause")["user_count"].sum().sort_values(ascending=False)
    told_causes = of_cause[tellable(of_cause)]
    if told_causes.empty:
        return
    rest = of_cause.sum() - told_causes.sum()
    section.add("text", words("moves_causes") + words.colon)
    section.add(
        "list",
        [
            words.percent(number / of_cause.sum()) + words.colon + words(f"cause_{cause}")
            for cause, number in [*told_causes.items(), ("other", rest)]
            if number
        ],
    )
    is_row_told = changed.groupby("cause")["user_count"].transform(tellable)
    rows = changed[is_row_told & changed["cause"].isin(told_causes.index)].head(SHOWN_MOVES)
    if not rows.empty:
        section.add(
            "table",
            Table(
                [words(column) for column in ("move_from", "move_to", "cause", "customers")],
                [
                    [
                        words.of(row, "previous_persona_name"),
                        words.of(row, "persona_name"),
                        words.of(row, "cause"),
                        words.number(row["user_count"]),
                    ]
                    for _, row in rows.iterrows()
                ],
                text_columns=(0, 1, 2),
            ),
        )
    section.add("help", words("moves_help", number=SMALLEST_GROUP))


def _health(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("health")
    if tables["health"].empty:
        section.add("note", words("health_missing"))
        return section
    row = tables["health"].iloc[0]
    section.add("lead", words(f"health_{row['verdict']}"))
    reasons = [reason for reason in words.of(row, "reasons").split(";") if reason.strip()]
    if reasons:
        section.add("text", words("health_reasons") + words.colon)
        section.add("list", [_with_numbers(reason.strip(), words) for reason in reasons])
    section.add(
        "text",
        words(
            "health_looked",
            version=words.number(row["model_version"]),
            as_of=words.date(row["as_of"]),
        ),
    )
    without = row["ineligible_share"]
    if tables["segments"]["is_hidden"].any():
        # less those without a segment, it would give the customers of a hidden one
        without = None
    values = {
        "max_psi": words.number(row["max_psi"], 2),
        "segment_psi": words.number(row["segment_psi"], 2),
        "refit_agreement": words.number(row["refit_agreement"], 2),
        "age_days": words.number(row["age_days"]),
        "atypical": _share_of(row["atypical_share"], row["user_count"], words),
        "low_confidence": _share_of(row["low_confidence_share"], row["user_count"], words),
        "without_segment": _share_of(without, tables["customers"].iloc[0]["all_count"], words),
    }
    feature = words.of(row, "label")
    section.add(
        "table",
        Table(
            [words("measure"), words("value"), words("reading")],
            [
                [
                    words(f"health_{name}")
                    + (f" ({feature})" if name == "max_psi" and feature else ""),
                    value,
                    words(f"reading_{name}"),
                ]
                for name, value in values.items()
            ],
            text_columns=(0, 2),
        ),
    )
    section.add("help", words("health_help"))
    return section


def _with_numbers(text: str, words: Words) -> str:
    """Return a text of the warehouse with its decimal numbers as the language writes them."""

    def worded(found: re.Match[str]) -> str:
        number = float(found[0])
        return words.number(number, 0 if number.is_integer() else 2)

    return re.sub(r"-?\d+\.\d+", worded, text)


def _share_of(share: float | None, number: int, words: Words) -> str:
    """Return a share of so many customers, unless they, or the others, are too few to tell."""
    if share is None or pd.isna(share):
        return words("not_shown")
    count = round(share * number)
    is_told = not (_are_few(count) or _are_few(number - count))
    return words.percent(share) if is_told else words("not_shown")


def _limits(tables: dict[str, pd.DataFrame], words: Words) -> Section:
    section = Section("limits")
    shown = _shown(tables)
    sentences = [words("limit_habits"), words("limit_legal"), _sensitive(tables, words)]
    sentences.append(words("limit_small", number=SMALLEST_GROUP))
    sentences += _without_segment(tables, words)
    if not shown.empty:
        sentences.append(_hard_segments(shown, tables, words))
        between = tables["sureness"]["between_count"].sum()
        if between >= SMALLEST_GROUP:
            share = words.percent(between / shown["user_count"].sum())
            sentences.append(words("limit_between", share=share))
        even, late = _kappa(None, tables), _kappa(None, tables, "early_late")
        if pd.notna(even) and pd.notna(late) and late < even:
            sentences.append(
                words("limit_changes", late=words.number(late, 2), even=words.number(even, 2))
            )
    section.add("list", [*sentences, words("limit_unmeasured")])
    return section


def _sensitive(tables: dict[str, pd.DataFrame], words: Words) -> str:
    rows = tables["quality"].set_index("rule")["row_count"]
    return words(
        "limit_sensitive",
        categories=", ".join(tables["sensitive"]["category_prefix"]),
        events=words.number(rows.get("category_withheld")),
    )


def _without_segment(tables: dict[str, pd.DataFrame], words: Words) -> list[str]:
    segments, statuses = tables["segments"], tables["statuses"]
    without = segments[segments["segment"] == 0]
    reasons = statuses[statuses["status"] != "segmented"].sort_values("user_count", ascending=False)
    if without.empty or reasons.empty:
        return []
    # one hidden number could be found by subtraction, so all are hidden
    is_told = (reasons["user_count"] >= SMALLEST_GROUP).all() and not segments["is_hidden"].any()
    phrases = []
    for row in reasons.itertuples():
        phrase = words(f"status_{row.status.replace(' ', '_')}")
        phrases.append(f"{phrase} ({words.number(row.user_count)})" if is_told else phrase)
    row = without.iloc[0]
    return [
        words(
            "limit_without",
            users=words.number(row["user_count"]),
            share=words.percent(row["user_share"]),
            reasons=words.semicolon.join(phrases),
        )
    ]


def _hard_segments(shown: pd.DataFrame, tables: dict[str, pd.DataFrame], words: Words) -> str:
    measured = tables["min_events"]
    target = None if measured.empty else measured["target_kappa"].iloc[0]
    hard = []
    for _, row in shown.iterrows():
        jaccard, kappa = _jaccard(row["segment"], tables), _kappa(row["segment"], tables)
        doubts = []
        if pd.notna(jaccard) and jaccard < JACCARD_LIMITS[0]:
            doubts.append(words("hard_jaccard", value=words.number(jaccard, 2)))
        if pd.notna(kappa) and kappa < target:
            doubts.append(words("hard_kappa", value=words.number(kappa, 3)))
        if row["persona"] == "to_be_reviewed":
            doubts.append(words("hard_review"))
        if doubts:
            hard.append(f"{words.of(row, 'persona_name')} ({', '.join(doubts)})")
    if hard:
        return words("limit_hard", segments=words.semicolon.join(hard))
    return words("limit_hard_none", target=words.number(target, 2))
