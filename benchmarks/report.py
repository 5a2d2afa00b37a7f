"""Write benchmarks/RESULTS.md and docs/images/benchmark.png from what the bench measured.

    .venv-bench/bin/python benchmarks/report.py STATE

STATE is the JSON file of `bench.py --state`.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from bench import BUILDS

BENCHMARKS = Path(__file__).resolve().parent
RESULTS = BENCHMARKS / "RESULTS.md"
PICTURE = BENCHMARKS.parent / "docs" / "images" / "benchmark.png"

GIB = 2**30
GB = 10**9
MILLION = 10**6
NOT_MEASURED = "not measured"
# what trains a model and measures its worth: at work in a build from nothing, idle in one of a file
# more
TRAINING = (
    *("segmentation_k_selection", "segmentation_parameters", "segmentation_algorithm_comparison"),
    *("segmentation_business_value", "segmentation_calibration", "segmentation_early_classifiers"),
    *("segmentation_feature_importance", "segmentation_identities", "segmentation_min_events"),
    "segmentation_rules",
)
SLOWEST = 10
# steps from nothing, by the number of their months
CURVE = {
    step: len(build.files)
    for step, build in BUILDS.items()
    if not build.before and build.files[0] == 1
}
# numbers of the months that each build has to load
LOADED = {
    step: sorted(set(build.files) - set(build.before[-1] if build.before else ()))
    for step, build in BUILDS.items()
}
BUILD_TITLES = {
    "month-1": "first month, from nothing",
    "month-1-again": "nothing new after it",
    "months-2": "2 months, from nothing",
    "months-4": "4 months, from nothing",
    "months-6": "6 months, from nothing",
    "month-7-after-6": "month 7 after six",
    "month-7-alone": "month 7 alone, from nothing",
    "months-7": "7 months, from nothing",
    "months-7-again": "nothing new after seven",
}
ENGINE_TITLES = {
    "duckdb": "DuckDB",
    "polars": "polars (streaming)",
    "chdb": "chdb",
    "pandas": "pandas (in chunks)",
}


class Results:
    """What was measured, with None for what was not."""

    def __init__(self, state: dict) -> None:
        """Keep the state of the bench."""
        self.state = state
        self.steps = state["steps"]

    def has_failed(self, step: str) -> bool:
        """Return whether a step was tried and failed."""
        return "failed" in self.steps.get(step, {})

    def value(self, step: str, name: str = "seconds") -> float | None:
        """Return one figure of a step."""
        return self.steps.get(step, {}).get(name)

    def missing(self, step: str) -> str:
        """Say why there is no figure of a step."""
        return "failed" if self.has_failed(step) else NOT_MEASURED

    def peak(self, step: str) -> float | None:
        """Return the peak memory of a step in GiB."""
        return per(self.value(step, "peak_bytes"), GIB)

    def warehouse(self, step: str) -> float | None:
        """Return the size of the warehouse after a step in GB."""
        return per(self.value(step, "warehouse_bytes"), GB)

    def rows(self, months: Iterable[int]) -> float | None:
        """Return the rows of some months, by their numbers, in millions."""
        return per(self._sum(months, self.value("rows", "files")), MILLION)

    def zcat(self, months: Iterable[int]) -> float | None:
        """Return the seconds of zcat for some months, by their numbers."""
        files = self.value("zcat", "files") or {}
        return self._sum(months, {name: file["seconds"] for name, file in files.items()})

    def _sum(self, months: Iterable[int], by_file: dict[str, float] | None) -> float | None:
        names = list(self.state["files"])
        try:
            values = [(by_file or {})[names[month - 1]] for month in months]
        except (IndexError, KeyError):
            return None
        return sum(values) or None

    def nodes(self, step: str) -> dict[str, float]:
        """Return the seconds of each node of a build, the slowest first."""
        nodes = self.value(step, "nodes") or {}
        return dict(sorted(nodes.items(), key=lambda node: -node[1]))

    def training(self, step: str) -> float:
        """Return the seconds that a build spent on training a model."""
        return sum(seconds for node, seconds in self.nodes(step).items() if is_training(node))


def is_training(node: str) -> bool:
    """Return whether a node trains a model."""
    return node.startswith("model.") and node.split(".")[-1] in TRAINING


def per(value: float | None, other: float | None) -> float | None:
    """Divide, where both are known."""
    return None if value is None or other is None else value / other


def shown(value: float | None, form: str = ".1f", unit: str = "") -> str:
    """Write a number, or nothing where there is none."""
    return "" if value is None else f"{value:{form}}{unit}"


def table(header: str, rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; columns whose title ends in a colon stand to the right."""
    titles = header.split(" | ")
    rule = "|".join("---:" if title.endswith(":") else "---" for title in titles)
    lines = [f"| {' | '.join(title.rstrip(':') for title in titles)} |", f"|{rule}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def bars(results: Results) -> str:
    """Return the table of what was asked for and what was measured."""
    first, seventh = results.value("month-1"), results.value("month-7-after-6")
    alone = results.value("month-7-alone")
    scored = results.value("scoring", "users") or results.state["scored_users"]
    differences = (results.value("scoring", "comparison") or {}).get("differences")
    # work, the step it stands on, the most it may be, what was measured, how to write both
    asked = [
        ("first month, times zcat", "month-1", 4, per(first, results.zcat([1])), ""),
        ("first month, times pandas", "month-1", 1, per(first, results.value("pandas")), ""),
        ("first month, peak memory", "month-1", 8, results.peak("month-1"), "GiB"),
        ("7 months from nothing", "months-7", 25, per(results.value("months-7"), 60), "min"),
        ("7 months, peak memory", "months-7", 16, results.peak("months-7"), "GiB"),
        ("month 7 after six, times alone", "month-7-after-6", 1.5, per(seventh, alone), ""),
        ("month 7 after six, share of history", "month-7-after-6", 25, history(results), "%"),
        ("nothing new after one month", "month-1-again", 15, results.value("month-1-again"), "s"),
        ("nothing new after 7 months", "months-7-again", 15, results.value("months-7-again"), "s"),
        ("warehouse of 7 months", "months-7", 30, results.warehouse("months-7"), "GB"),
        (f"scoring {scored:,} users", "scoring", 15, results.value("scoring"), "s"),
        ("labels unlike scikit-learn's", "scoring", 0, differences, ""),
    ]
    rows = [
        (
            work,
            f"≤ {limit} {unit}".strip() if limit else "0",
            results.missing(step) if value is None else amount(value, unit),
            verdict(value, limit, results.has_failed(step)),
        )
        for work, step, limit, value, unit in asked
    ]
    rows.insert(5, little_memory(results))
    return table("work | bar: | measured: | met", rows)


def little_memory(results: Results) -> tuple[str, str, str, str]:
    """Return the row of the bar that is no number: to finish in little memory."""
    step = "months-7"
    work = "7 months, DuckDB's memory limit at 4 GB"
    limit = results.value(step, "memory_limit")
    if limit is None:
        return work, "finishes", results.missing(step), verdict(None, 1, results.has_failed(step))
    return work, "finishes", f"finished with {limit.replace('GB', ' GB')}", "ok"


def amount(value: float, unit: str) -> str:
    """Write a measured value with its unit."""
    form = {"": "," if isinstance(value, int) else ".2f", "%": ".0f"}.get(unit, ".1f")
    return f"{value:{form}} {unit}".strip()


def verdict(value: float | None, limit: float, has_failed: bool) -> str:
    """Say whether a bar is met, or by how much it is missed."""
    if has_failed:
        return "missed"
    if value is None:
        return ""
    if value <= limit:
        return "ok"
    return f"missed by {100 * (value / limit - 1):,.0f} %" if limit else "missed"


def history(results: Results) -> float | None:
    """Return how much of the time of month 7 after six is not there for month 7 alone, in %."""
    share = per(results.value("month-7-alone"), results.value("month-7-after-6"))
    return None if share is None else 100 * (1 - share)


def builds(results: Results) -> str:
    """Return the table of the builds."""
    rows = []
    for step, title in BUILD_TITLES.items():
        if results.value(step) is None:
            rows.append((title, "", "", results.missing(step), "", "", "", ""))
            continue
        rows.append(
            (
                title,
                str(results.value(step, "memory_limit")).replace("GB", " GB"),
                shown(results.rows(LOADED[step])),
                shown(results.value(step)),
                shown(results.value(step, "cpu_seconds")),
                shown(per(results.value(step), results.zcat(LOADED[step])), ".2f"),
                shown(results.peak(step)),
                shown(results.warehouse(step), ".2f"),
            )
        )
    header = (
        "build | memory limit: | million rows to load: | seconds: | CPU seconds: | "
        "times zcat: | peak GiB: | warehouse GB:"
    )
    return table(header, rows)


def references(results: Results) -> str:
    """Return the table of the references on the first month."""
    zcat = results.zcat([1])
    first = results.value("month-1")
    rows = [("`zcat` of the file", shown(zcat) or NOT_MEASURED, "", shown(zcat and 1.0, ".2f"), "")]
    for step, title in {**ENGINE_TITLES, "month-1": "**the whole `dbt build`**"}.items():
        seconds = first if step == "month-1" else results.value(step)
        rows.append(
            (
                title,
                shown(seconds) or results.missing(step),
                shown(results.value(step, "cpu_seconds")),
                shown(per(seconds, zcat), ".2f"),
                shown(results.peak(step)),
            )
        )
    return table("what | seconds: | CPU seconds: | times zcat: | peak GiB:", rows)


def totals(results: Results) -> str:
    """Return the sentence on the totals that all engines gave."""
    measured = {engine: results.value(engine, "totals") for engine in ENGINE_TITLES}
    found = {engine: values for engine, values in measured.items() if values}
    if not found:
        return "No engine was run."
    values = next(iter(found.values()))
    figures = ", ".join(f"{name} {value:,}" for name, value in values.items())
    return (
        f"Totals over all users, in which these agree: {', '.join(found)} (money in cents, "
        f"times in seconds since 1970).\n{figures}."
    )


def slowest_of_first(results: Results) -> str:
    """Return the slowest nodes of the first month."""
    nodes, seconds = results.nodes("month-1"), results.value("month-1")
    if seconds is None:
        return f"First month: {results.missing('month-1')}."
    rows = [
        (node_name(node), f"{took:.1f}", f"{100 * took / seconds:.0f} %")
        for node, took in list(nodes.items())[:SLOWEST]
    ]
    return table("first month, from nothing | seconds: | of the build:", rows)


def slowest_of_seventh(results: Results) -> str:
    """Return the slowest nodes of month 7 after six, beside those of month 7 alone."""
    if results.value("month-7-after-6") is None:
        return f"Month 7 after six: {results.missing('month-7-after-6')}."
    alone = results.nodes("month-7-alone")
    rows = []
    for node, took in list(results.nodes("month-7-after-6").items())[:SLOWEST]:
        own = alone.get(node)
        share = None if own is None or not took else 100 * (1 - own / took)
        rows.append((node_name(node), f"{took:.1f}", shown(own), shown(share, ".0f", " %")))
    header = "month 7 | seconds after six: | seconds alone: | share that depends on history:"
    return table(header, rows)


def spent(results: Results, step: str) -> str:
    """Say on what kinds of nodes a build spent its time."""
    kinds: dict[str, float] = {}
    for node, seconds in results.nodes(step).items():
        kind = "training" if is_training(node) else f"{node.split('.')[0]}s"
        kinds[kind] = kinds.get(kind, 0.0) + seconds
    total = results.value(step)
    if total is None:
        return ""
    parts = [f"{kind} {seconds:.1f} s" for kind, seconds in sorted(kinds.items()) if seconds > 0.05]
    rest = total - sum(kinds.values())
    return f"{BUILD_TITLES[step]}: {', '.join(parts)}, dbt itself {rest:.1f} s."


def node_name(node: str) -> str:
    """Return the name of a node without package and hash, with its kind where it is no model."""
    kind, _, name, *_ = node.split(".")
    return f"`{name}`" if kind == "model" else f"{kind} `{name}`"


def training_note(results: Results) -> str:
    """Return the share of history with the training left out on both sides."""
    after, alone = results.value("month-7-after-6"), results.value("month-7-alone")
    if after is None or alone is None:
        return ""
    trained = {step: results.training(step) for step in ("month-7-after-6", "month-7-alone")}
    share = 100 * (1 - (alone - trained["month-7-alone"]) / (after - trained["month-7-after-6"]))
    return (
        f"Month 7 alone trains a model ({trained['month-7-alone']:.1f} s), month 7 after six uses "
        f"the one there is ({trained['month-7-after-6']:.1f} s). Without these seconds the share "
        f"that depends on history is {share:.0f} %."
    )


def scoring(results: Results) -> str:
    """Return the paragraph on scoring."""
    seconds = results.value("scoring")
    if seconds is None:
        return f"Scoring: {results.missing('scoring')}."
    compared = results.value("scoring", "comparison") or {}
    return (
        f"{results.value('scoring', 'users'):,} users took {seconds:.1f} s, "
        f"{results.value('scoring', 'cpu_seconds'):.1f} CPU seconds, peak "
        f"{results.peak('scoring'):.1f} GiB. scikit-learn's `transform` and `predict` took "
        f"{compared['seconds']:.1f} s for the same users, reading them not counted. Labels that "
        f"differ: {compared['differences']:,}."
    )


def machine(results: Results) -> str:
    """Return the paragraph on machine, versions, input and date."""
    about = results.state["machine"]
    days = sorted({step["measured_on"] for step in results.steps.values()}) or ["nothing yet"]
    files = results.state["files"]
    rows = [results.rows([month]) for month in range(1, len(files) + 1)]
    versions = ("python", "duckdb", "dbt-core", "dbt-duckdb", "polars", "chdb", "pandas")
    lines = [
        f"- Machine: {about['cores']} cores, {about['cpu']}, {about['memory_bytes'] / GIB:.1f} GiB",
        f"- Versions: {', '.join(f'{name} {about[name]}' for name in versions)}, "
        f"scikit-learn {about['scikit-learn']}",
        f"- Input: {results.state['source']}: {len(files)} files, "
        f"{sum(files.values()) / GB:.2f} GB compressed, "
        f"{', '.join(shown(count, '.2f') or '?' for count in rows)} million rows",
        f"- Measured: {days[0]}{f' to {days[-1]}' if len(days) > 1 else ''}, each step once",
    ]
    return "\n".join(lines)


def alt_text(results: Results) -> str:
    """Say in words what the picture shows."""
    points = [
        f"{months} months {results.value(step):.0f} s, {results.peak(step):.1f} GiB, "
        f"{results.warehouse(step):.2f} GB"
        for step, months in CURVE.items()
        if results.value(step) is not None
    ]
    words = "; ".join(points) or NOT_MEASURED
    return f"Seconds, peak memory and warehouse size of a build from nothing: {words}".replace(
        "1 months", "1 month"
    )


def document(results: Results) -> str:
    """Return the whole report."""
    parts = [
        "# Benchmark",
        "Written by `make bench`; nothing here is written by hand. The bars are meant for monthly "
        "files of 42 to 68\nmillion rows on 2 cores and 24 GiB: on small files dbt's own start and "
        "its tests outweigh the rest.",
        machine(results),
        "## Bars",
        bars(results),
        training_note(results),
        "## First month against plain tools",
        references(results),
        "Each engine groups the file by user and finds 15 figures, with four exact distinct "
        "counts. The build types and\nchecks every line, drops duplicates, makes sessions, 44 "
        "features, a trained model and personas, and runs every test.",
        totals(results),
        "## Builds",
        builds(results),
        f"![{alt_text(results)}](../docs/images/benchmark.png)",
        "## Where the time goes",
        slowest_of_first(results),
        slowest_of_seventh(results),
        "\n".join(f"- {said}" for step in BUILD_TITLES if (said := spent(results, step))),
        "## Scoring",
        scoring(results),
        "## What is run",
        COMMANDS,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


COMMANDS = """\
- zcat: `zcat FILE > /dev/null`, once for each file.
- Engines: `python benchmarks/references.py duckdb FILE`, likewise polars, chdb and pandas.
- Builds: `dbt build --target duckdb --exclude-resource-type unit_test`, as `make build` does, with
  `AMAZING_MEMORY_LIMIT` as the table says. "From nothing" starts without warehouse and without
  dbt's artifacts. Tests of the data are part of every build.
- Scoring (`benchmarks/scoring.py`): eligible users of the warehouse over and over, each feature
  lowered by up to a tenth, are a table, not timed. Timed is `create table as` with the compiled
  SQL of `user_segments`. Then scikit-learn is fitted on the users who trained the model, and
  predicts.
- "Times zcat" is against `zcat` of the files that the build has to load. The share of history is
  (seconds after six - seconds alone) / seconds after six.
- Seconds are wall time, process start included. The peak is the largest resident set of a process,
  as the operating system reports it. CPU seconds repeat better than wall time.
- Again: `make bench EVENTS=FOLDER ARGS="--state FILE"`. With the same FILE an interrupted run goes
  on; `--only zcat,month-1` measures some steps again."""


def draw(results: Results, picture: Path) -> None:
    """Draw the curve: time, memory and size against rows, for builds from nothing."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    points = {
        step: results.rows(range(1, months + 1))
        for step, months in CURVE.items()
        if results.value(step) is not None and results.rows(range(1, months + 1))
    }
    million_rows = list(points.values())
    panels = [
        ("Time (s)", [results.value(step) for step in points], ".0f"),
        ("Peak memory (GiB)", [results.peak(step) for step in points], ".1f"),
        ("Warehouse (GB)", [results.warehouse(step) for step in points], ".3g"),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), dpi=200, layout="constrained")
    for axis, (title, values, form) in zip(axes, panels, strict=True):
        axis.plot(million_rows, values, marker="o", color="#1f5f99", label="dbt build")
        for x, y in zip(million_rows, values, strict=True):
            axis.annotate(
                f"{y:{form}}", (x, y), xytext=(-2, 6), textcoords="offset points", ha="right"
            )
        axis.set_title(title, fontsize=11, loc="left")
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.locator_params(nbins=5)
    zcat = [results.zcat(range(1, CURVE[step] + 1)) for step in points]
    if all(seconds is not None for seconds in zcat):
        axes[0].plot(million_rows, zcat, marker=".", color="#888888", ls="--", label="zcat")
    if points:
        axes[0].legend(frameon=False, loc="upper left")
    for axis in axes:
        axis.set_xlim(*(share * max(million_rows, default=1) for share in (-0.1, 1.1)))
        axis.set_ylim(0, 1.25 * axis.get_ylim()[1])
    figure.supxlabel("million rows, loaded from nothing", fontsize=10)
    picture.parent.mkdir(parents=True, exist_ok=True)
    # without the library's version, so that the same figures give the same bytes
    figure.savefig(picture, metadata={"Software": None})


def main() -> None:
    """Write the report and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("state", type=Path)
    results = Results(json.loads(parser.parse_args().state.read_text()))
    RESULTS.write_text(document(results))
    draw(results, PICTURE)


if __name__ == "__main__":
    main()
