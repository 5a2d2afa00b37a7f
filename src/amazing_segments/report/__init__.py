"""The report on the segmentation: one HTML file, for management, marketing, the DPO and science.

Figures are read by `figures`, drawn by `charts`, worded by `words`; `contents` puts them in order
and the template lays them out.
"""

from jinja2 import Environment, PackageLoader, StrictUndefined

from amazing_segments.report.contents import contents_of
from amazing_segments.report.figures import read_figures
from amazing_segments.report.words import Words


def render_report(warehouse: str, language: str) -> str:
    """Return the report on a DuckDB warehouse as one HTML page without references to others.

    Args:
        warehouse: The DuckDB file.
        language: One of `words.LANGUAGES`.

    Raises:
        duckdb.Error: There is no such warehouse, or it was not built to the end.
    """
    words = Words(language)
    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    return template.render(t=words, **contents_of(read_figures(warehouse), words))
