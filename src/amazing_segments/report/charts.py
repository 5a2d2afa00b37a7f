"""The charts of the report: frames in, SVG out, to stand inside an HTML page."""

import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from amazing_segments.report.figures import CustomerMap
from amazing_segments.report.words import Words

# Told apart with any colour vision (Tol 2021, Colour Schemes, "muted"; the tenth is from Okabe &
# Ito 2008). A number or a name always stands beside a colour.
PALETTE = (
    "#332288",
    "#44AA99",
    "#CC6677",
    "#DDCC77",
    "#88CCEE",
    "#117733",
    "#AA4499",
    "#999933",
    "#882255",
    "#D55E00",
)
ACCENT = "#1F4E79"
INK = "#22303C"
FAINT = "#8A97A3"
LINE = "#D5DBE1"
NOBODY = "#B8C0C8"
# Inches: the width of the text on A4.
WIDTH = 7.1
STYLE = {
    "axes.edgecolor": LINE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "figure.constrained_layout.use": True,
    # wider than the fonts that the page asks for, so that no label outgrows its room
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "grid.color": "#E8ECEF",
    "legend.frameon": False,
    "savefig.dpi": 170,
    # text stays text: it can be read aloud, found and copied
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}
FONTS = "'Liberation Sans', Arial, Helvetica, sans-serif"


def colour_of(segment: int) -> str:
    """Return the colour of a segment, the same in all charts; that of nobody for 0."""
    return PALETTE[(segment - 1) % len(PALETTE)] if segment > 0 else NOBODY


def _style(name: str) -> AbstractContextManager:
    # the salt makes identifiers inside the SVG the same in each run
    return mpl.rc_context({**STYLE, "svg.hashsalt": name})


def _svg(figure: Figure, name: str, description: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format")))
    return _inline(buffer.getvalue(), name, description)


def _inline(svg: str, name: str, description: str) -> str:
    """Return the SVG of Matplotlib as an element of HTML: no prolog, no address, no shared id."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(?::\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", svg)
    for identifier in used:
        svg = re.sub(rf'(?<=[#"]){re.escape(identifier)}(?=[")])', f"{name}-{identifier}", svg)
    svg = svg.replace("'DejaVu Sans'", FONTS)
    opening = re.compile(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>')
    title = description.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return opening.sub(
        f'<svg class="chart" viewBox="\\1" role="img" aria-label="{title}">', svg, count=1
    ).strip()


def persona_shares(segments: pd.DataFrame, words: Words) -> str:
    """Draw what share of customers and of revenue each segment has.

    Args:
        segments: segment, persona_name_*, user_share, revenue_share, the first on top.
        words: The language.
    """
    names = [words.of(row, "persona_name") for _, row in segments.iterrows()]
    place = np.arange(len(segments))[::-1]
    height = 0.45 + 0.23 * len(segments)
    with _style("shares"):
        figure = Figure(figsize=(WIDTH, height))
        left, right = figure.subplots(1, 2, sharey=True)
        colours = [colour_of(segment) for segment in segments["segment"]]
        for axes, column, title in (
            (left, "user_share", "of_customers"),
            (right, "revenue_share", "of_revenue"),
        ):
            _bars(axes, place, segments[column].to_numpy(), colours, words.percent)
            axes.set_title(words(title))
        left.set_yticks(place, names)
        return _svg(figure, "shares", words("chart_shares"))


def _bars(
    axes: mpl.axes.Axes,
    place: np.ndarray,
    values: np.ndarray,
    colours: list[str],
    text: Callable[[float], str],
) -> None:
    axes.barh(place, values, color=colours, height=0.7)
    # one that is missing or below 0 has its text at 0
    for height, value, end in zip(place, values, np.fmax(values, 0), strict=True):
        axes.annotate(text(value), (end, height), (3, 0), textcoords="offset points", va="center")
    axes.set_xlim(min(np.nanmin(values), 0), max(1.25 * np.nanmax(values), 0.01))
    axes.xaxis.set_visible(False)
    axes.spines[["bottom"]].set_visible(False)
    axes.grid(visible=False)


def events_by_month(events: pd.DataFrame, words: Words) -> str:
    """Draw the events of each month, by type.

    Args:
        events: month, event_type, event_count.
        words: The language.
    """
    table = events.pivot_table(
        index="month", columns="event_type", values="event_count", aggfunc="sum", fill_value=0
    )
    types = [
        kind for kind in ("view", "cart", "remove_from_cart", "purchase") if kind in table.columns
    ]
    labels = [words.month(month) for month in table.index]
    with _style("events"):
        figure = Figure(figsize=(WIDTH, 2.0))
        for axes, kind in zip(np.atleast_1d(figure.subplots(1, len(types))), types, strict=True):
            axes.bar(range(len(table)), table[kind], color=ACCENT, width=0.7)
            axes.set_title(words(f"type_{kind}"))
            every = -(-len(labels) // 4)
            axes.set_xticks(range(0, len(labels), every), labels[::every])
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value)))
            axes.grid(visible=False, axis="x")
        return _svg(figure, "events", words("chart_events"))


def funnel(visits: pd.Series, customers: pd.Series, words: Words) -> str:
    """Draw how many visits and customers come to a view, a cart and an order.

    Args:
        visits: all_count, view_count, cart_count and purchase_count.
        customers: The same.
        words: The language.
    """
    steps = ("all", "view", "cart", "purchase")
    with _style("funnel"):
        figure = Figure(figsize=(WIDTH, 1.6))
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, counts, title in ((left, visits, "visits"), (right, customers, "customers")):
            numbers = np.array([counts[f"{step}_count"] for step in steps], dtype=float)
            axes.barh(range(4)[::-1], numbers, color=ACCENT, height=0.65)
            for place, number in zip(range(4)[::-1], numbers, strict=True):
                share = words.percent(number / numbers[0] if numbers[0] else np.nan)
                axes.annotate(
                    f"{words.number(number)} ({share})",
                    (number, place),
                    (3, 0),
                    textcoords="offset points",
                    va="center",
                )
            axes.set_xlim(0, max(1.6 * numbers.max(), 1))
            axes.xaxis.set_visible(False)
            axes.spines[["bottom"]].set_visible(False)
            axes.grid(visible=False)
            axes.set_title(words(title))
        left.set_yticks(range(4)[::-1], [words(f"step_{step}") for step in steps])
        return _svg(figure, "funnel", words("chart_funnel"))


def feature_importance(importance: pd.DataFrame, words: Words) -> str:
    """Draw how many customers would change segment without each feature of the model.

    Args:
        importance: label_*, permutation_importance of the features of the model.
        words: The language.
    """
    ordered = importance.sort_values("permutation_importance", ascending=True, kind="stable")
    labels = [words.of(row, "label") for _, row in ordered.iterrows()]
    with _style("importance"):
        figure = Figure(figsize=(WIDTH, 0.35 + 0.165 * len(ordered)))
        axes = figure.subplots()
        shares = ordered["permutation_importance"].fillna(0).to_numpy()
        _bars(axes, np.arange(len(ordered)), shares, [ACCENT] * len(ordered), words.percent)
        axes.set_yticks(range(len(ordered)), labels)
        return _svg(figure, "importance", words("chart_importance"))


def k_selection(candidates: pd.DataFrame, words: Words) -> str:
    """Draw the measures by which the number of segments was chosen, against shuffled features.

    Args:
        candidates: k, is_chosen, silhouette, stability, lowest_jaccard and null_* of them.
        words: The language.
    """
    chosen = candidates.loc[candidates["is_chosen"], "k"]
    gates = {"stability": 0.6, "lowest_jaccard": 0.75}
    with _style("k"):
        figure = Figure(figsize=(WIDTH, 2.5))
        for axes, measure in zip(figure.subplots(1, 3), ("silhouette", *gates), strict=True):
            own, shuffled = candidates[measure], candidates[f"null_{measure}"]
            axes.plot(candidates["k"], own, "o-", color=ACCENT, ms=4, label=words("customers"))
            axes.plot(candidates["k"], shuffled, "s--", color=FAINT, ms=3, label=words("shuffled"))
            if measure in gates:
                axes.axhline(gates[measure], color="#AA4499", lw=1, ls=":", label=words("gate"))
            for k in chosen:
                axes.axvline(k, color=ACCENT, alpha=0.18, lw=8)
            axes.set_title(words(f"measure_{measure}"))
            axes.set_xlabel(words("axis_k"))
            axes.set_xticks(candidates["k"][::2])
            axes.yaxis.set_major_formatter(_decimals(words, 2 if measure == "silhouette" else 1))
            if measure != "silhouette":
                axes.set_ylim(0, 1.05)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return _svg(figure, "k", words("chart_k"))


def _decimals(words: Words, decimals: int) -> FuncFormatter:
    return FuncFormatter(lambda value, _: words.number(value, decimals))


def _events_axis(axes: mpl.axes.Axes, targets: pd.Series, words: Words) -> None:
    axes.set_xscale("log")
    axes.set_xticks(targets, [words.number(target) for target in targets])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(words("axis_events"))


def min_events(measured: pd.DataFrame, threshold: int, words: Words) -> str:
    """Draw agreement by number of events, and the customers and revenue that a threshold loses.

    Args:
        measured: The rows of segmentation_min_events of all segments together.
        threshold: Events from which a customer has a segment.
        words: The language.
    """
    targets = measured["event_target"]
    with _style("min_events"):
        figure = Figure(figsize=(WIDTH, 3.0))
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for name, colour in (("odd_even", ACCENT), ("early_late", "#CC6677"), ("final", "#117733")):
            left.plot(
                targets,
                measured[f"{name}_kappa"],
                "o-",
                ms=3.5,
                lw=2 if name == "odd_even" else 1.2,
                color=colour,
                label=words(f"kappa_{name}"),
            )
            left.fill_between(
                targets,
                measured[f"{name}_kappa_low"].astype(float),
                measured[f"{name}_kappa_high"].astype(float),
                color=colour,
                alpha=0.18,
                lw=0,
            )
        target = measured["target_kappa"].iloc[0]
        left.axhline(
            target, color=INK, lw=1, ls=":", label=words("target", value=words.number(target, 2))
        )
        left.set_ylim(0, 1)
        left.set_title(words("kappa"))
        left.yaxis.set_major_formatter(_decimals(words, 1))
        for column, colour, style in (
            ("left_out_user_share", ACCENT, "o-"),
            ("left_out_revenue_share", "#AA4499", "s-"),
        ):
            right.plot(targets, measured[column], style, ms=3.5, color=colour, label=words(column))
        right.set_title(words("left_out"))
        right.set_ylim(0, 1)
        right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.percent(value, 0)))
        for axes in (left, right):
            axes.axvline(threshold, color=ACCENT, alpha=0.18, lw=8)
            _events_axis(axes, targets, words)
        for axes in (left, right):
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=7.5)
        return _svg(figure, "min_events", words("chart_min_events"))


def min_events_by_persona(
    measured: pd.DataFrame, segments: pd.DataFrame, threshold: int, words: Words
) -> str:
    """Draw agreement by number of events, a panel for each segment.

    Args:
        measured: The rows of segmentation_min_events.
        segments: segment and persona_name_* of those to show.
        threshold: Events from which a customer has a segment.
        words: The language.
    """
    overall = measured[measured["segment"].isna()]
    n_columns = 3
    n_rows = -(-len(segments) // n_columns)
    with _style("kappas"):
        figure = Figure(figsize=(WIDTH, 0.4 + 1.35 * n_rows))
        panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
        for panel in panels[len(segments) :]:
            panel.set_visible(False)
        for axes, (_, row) in zip(panels, segments.iterrows(), strict=False):
            own = measured[measured["segment"] == row["segment"]]
            colour = colour_of(row["segment"])
            axes.plot(overall["event_target"], overall["odd_even_kappa"], color=NOBODY, lw=1.2)
            axes.plot(own["event_target"], own["odd_even_kappa"], color=colour, lw=2)
            axes.fill_between(
                own["event_target"],
                own["odd_even_kappa_low"].astype(float),
                own["odd_even_kappa_high"].astype(float),
                color=colour,
                alpha=0.2,
                lw=0,
            )
            axes.axhline(overall["target_kappa"].iloc[0], color=INK, lw=0.8, ls=":")
            axes.axvline(threshold, color=ACCENT, alpha=0.18, lw=5)
            axes.set_ylim(0, 1)
            axes.set_yticks([0, 0.5, 1])
            axes.set_title(words.of(row, "persona_name"))
            axes.yaxis.set_major_formatter(_decimals(words, 1))
            _events_axis(axes, overall["event_target"].iloc[::2], words)
            axes.set_xlabel("")
        for axes in panels[max(len(segments) - n_columns, 0) : len(segments)]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(words("axis_events"))
        return _svg(figure, "kappas", words("chart_kappas"))


def early_classifiers(compared: pd.DataFrame, words: Words) -> str:
    """Draw how well each classifier, and the model, tell the segment from first events.

    Args:
        compared: event_target, classifier, macro_f1 and its interval.
        words: The language.
    """
    looks = {
        "model": (ACCENT, "o-"),
        "decision_tree": ("#D55E00", "^-"),
        "k_nearest_neighbours": ("#CC6677", "D-"),
        "svm": ("#AA4499", "s-"),
        "random_forest": ("#117733", "v-"),
        "majority": (FAINT, "x--"),
    }
    with _style("early"):
        figure = Figure(figsize=(WIDTH, 2.9))
        axes = figure.subplots()
        for classifier, (colour, style) in looks.items():
            own = compared[compared["classifier"] == classifier]
            is_model = classifier == "model"
            axes.plot(
                own["event_target"],
                own["macro_f1"],
                style,
                ms=4,
                lw=2 if is_model else 1.2,
                color=colour,
                label=words(f"classifier_{classifier}"),
            )
            if is_model:
                low, high = own["macro_f1_low"], own["macro_f1_high"]
                axes.fill_between(own["event_target"], low, high, color=colour, alpha=0.18, lw=0)
        axes.set_ylim(0)
        axes.set_title(words("macro_f1"))
        axes.yaxis.set_major_formatter(_decimals(words, 1))
        targets = compared["event_target"].drop_duplicates()
        _events_axis(axes, targets, words)
        axes.set_xlabel(words("first_events"))
        figure.legend(loc="outside right center")
        return _svg(figure, "early", words("chart_early"))


def business_value(scores: pd.DataFrame, words: Words) -> str:
    """Draw how well each predictor tells what customers did in the month that followed.

    Args:
        scores: A row an outcome, a column a predictor, the first on top.
        words: The language.
    """
    place = np.arange(scores.shape[1])[::-1]
    colours = {"segments": ACCENT, "none": NOBODY}
    with _style("value"):
        figure = Figure(figsize=(WIDTH, 1.75))
        panels = figure.subplots(1, len(scores), sharey=True, squeeze=False)[0]
        for axes, (outcome, row) in zip(panels, scores.iterrows(), strict=True):
            _bars(
                axes,
                place,
                row.to_numpy(dtype=float),
                [colours.get(predictor, FAINT) for predictor in scores.columns],
                lambda value: words.number(value, 2),
            )
            axes.set_title(words(f"score_{outcome}"))
        names = [words(f"predictor_{predictor}") for predictor in scores.columns]
        panels[0].set_yticks(place, names)
        return _svg(figure, "value", words("chart_value"))


def customer_map(drawn: CustomerMap, segments: pd.DataFrame, words: Words) -> str:
    """Draw customers in the plane of the first two components, and the centres with their names.

    The dots are an image inside the drawing: no coordinate of a customer can be read from it.

    Args:
        drawn: See `CustomerMap`.
        segments: segment and persona_name_* of those to name.
        words: The language.
    """
    # drawn in an order that has nothing to do with segments, so that none lies above the others
    order = np.random.default_rng(0).permutation(len(drawn.users))
    users = drawn.users.iloc[order]
    with _style("map"):
        figure = Figure(figsize=(WIDTH, 5.2))
        axes = figure.subplots()
        axes.scatter(
            users["x"],
            users["y"],
            c=[colour_of(segment) for segment in users["segment"]],
            s=7,
            alpha=0.6,
            lw=0,
            rasterized=True,
        )
        named = drawn.centres.merge(segments, on="segment").sort_values("y")
        places = _apart(named["y"].to_numpy(), 0.045 * np.ptp(users["y"]))
        low, high = users["x"].min(), users["x"].max()
        edge = high + 0.06 * (high - low)
        for (_, row), height in zip(named.iterrows(), places, strict=True):
            colour = colour_of(row["segment"])
            axes.plot(
                [row["x"], edge], [row["y"], height], color=colour, lw=0.8, alpha=0.8, zorder=3
            )
            axes.plot(row["x"], row["y"], "o", ms=9, color=colour, mec="white", mew=1.5, zorder=4)
            axes.plot(edge, height, "o", ms=6, color=colour, clip_on=False, zorder=4)
            axes.annotate(
                words.of(row, "persona_name"),
                (edge, height),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontweight="bold",
                annotation_clip=False,
            )
        axes.set_xlim(low - 0.03 * (high - low), high + 0.42 * (high - low))
        for axis, share, number in zip(
            (axes.xaxis, axes.yaxis), drawn.explained, (1, 2), strict=True
        ):
            axis.set_label_text(words("axis_component", number=number, share=words.percent(share)))
            axis.set_ticks([])
        axes.grid(visible=False)
        return _svg(figure, "map", words("chart_map"))


def _apart(heights: np.ndarray, least: float) -> np.ndarray:
    """Return sorted heights moved so far that neighbours are at least so much apart."""
    placed = heights.astype(float).copy()
    for _ in range(200):
        short = least - np.diff(placed)
        if (short <= 1e-9).all():
            break
        for i in np.flatnonzero(short > 0):
            placed[i] -= short[i] / 2
            placed[i + 1] += short[i] / 2
    return placed


def deviations(profile: pd.DataFrame, segment: int, words: Words) -> str:
    """Draw how far the segment's means are from those of all segmented customers.

    Args:
        profile: label_*, deviation of the features of the model, the largest first.
        segment: Whose they are.
        words: The language.
    """
    ordered = profile.iloc[::-1]
    values = ordered["deviation"].to_numpy(dtype=float)
    labels = [words.of(row, "label") for _, row in ordered.iterrows()]
    place = np.arange(len(ordered))
    with _style(f"deviations-{segment}"):
        figure = Figure(figsize=(WIDTH, 0.55 + 0.18 * len(ordered)))
        axes = figure.subplots()
        axes.barh(place, values, color=colour_of(segment), height=0.68)
        axes.axvline(0, color=INK, lw=0.8)
        for height, value in zip(place, values, strict=True):
            axes.annotate(
                words.signed(value),
                (value, height),
                (3 if value >= 0 else -3, 0),
                textcoords="offset points",
                va="center",
                ha="left" if value >= 0 else "right",
                fontsize=7.5,
            )
        limit = 1.2 * max(np.abs(values).max(), 1)
        axes.set_xlim(-limit, limit)
        axes.set_yticks(place, labels)
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: words.signed(value, 1) if value else "0")
        )
        axes.set_xlabel(words("axis_deviation"))
        axes.grid(visible=False, axis="y")
        return _svg(figure, f"deviations-{segment}", words("chart_deviations"))


def calibration(ranges: pd.DataFrame, words: Words) -> str:
    """Draw which share of customers kept their segment for a month, by confidence.

    Args:
        ranges: confidence_from, confidence_below, kept_share and its interval.
        words: The language.
    """
    known = ranges.dropna(subset="kept_share")
    middle = (known["confidence_from"] + known["confidence_below"].fillna(1)) / 2
    errors = [
        (known["kept_share"] - known["kept_share_low"]).clip(lower=0),
        (known["kept_share_high"] - known["kept_share"]).clip(lower=0),
    ]
    with _style("calibration"):
        figure = Figure(figsize=(WIDTH, 2.4))
        axes = figure.subplots()
        axes.errorbar(
            middle, known["kept_share"], errors, fmt="o", color=ACCENT, ms=5, capsize=3, lw=1.2
        )
        axes.plot(middle, known["persistence"], color=ACCENT, alpha=0.5, lw=1.5)
        axes.set_xlim(-0.03, 1.05)
        axes.set_ylim(min(0.5, float(known["kept_share_low"].min())) - 0.02, 1.02)
        axes.set_xlabel(words("axis_confidence"))
        axes.set_title(words("kept_share"))
        axes.xaxis.set_major_formatter(_decimals(words, 1))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.percent(value, 0)))
        return _svg(figure, "calibration", words("chart_calibration"))
