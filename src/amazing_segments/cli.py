"""The console script `amazing-segments`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path


def _first_of_month(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2019-10-01") from error
    if day.day != 1:
        raise argparse.ArgumentTypeError(f"{text} is not the first day of a month")
    return day


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number


def _add_sample_events(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "sample-events", help="write invented event files whose segments are known"
    )
    parser.add_argument("--users", type=_positive, required=True, help="customers in the window")
    parser.add_argument(
        "--start", type=_first_of_month, default=date(2019, 10, 1), help="first day of a month"
    )
    parser.add_argument("--months", type=_positive, default=1, help="number of months (1)")
    parser.add_argument("--seed", type=_not_negative, default=1, help="same seed, same bytes (1)")
    parser.add_argument("--out", type=Path, required=True, help="directory for the files")
    parser.add_argument(
        "--remove-from-cart", action="store_true", help="include remove_from_cart events"
    )
    parser.add_argument("--force", action="store_true", help="replace an earlier sample in --out")
    parser.set_defaults(run=_sample_events)


def _sample_events(arguments: argparse.Namespace) -> int:
    # imported here: other commands need no NumPy, and help stays quick
    from amazing_segments.sample_events import write_sample_events

    began = time.perf_counter()
    try:
        written = write_sample_events(
            users=arguments.users,
            start=arguments.start,
            months=arguments.months,
            seed=arguments.seed,
            out=arguments.out,
            remove_from_cart=arguments.remove_from_cart,
            force=arguments.force,
        )
    except FileExistsError as error:
        hint = "" if arguments.force else "; --force replaces an earlier sample"
        print(f"error: {error}{hint}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    seconds = time.perf_counter() - began
    for path in (*written.files, written.truth):
        print(f"{path}  {path.stat().st_size:,} bytes")
    print(
        f"{len(written.files)} files, {written.rows:,} rows, "
        f"{seconds:.1f} s, {written.rows / seconds:,.0f} rows/s"
    )
    return 0


def _add_warehouse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--warehouse",
        default=os.environ.get("AMAZING_WAREHOUSE", "data/amazing.duckdb"),
        help="the DuckDB file (AMAZING_WAREHOUSE, or data/amazing.duckdb)",
    )


def _add_show(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("show", help="print the segments of the DuckDB warehouse")
    _add_warehouse(parser)
    parser.set_defaults(run=_show)


def _show(arguments: argparse.Namespace) -> int:
    import duckdb

    from amazing_segments.show import segments_table

    try:
        table = segments_table(arguments.warehouse)
    except duckdb.Error as error:
        print(f"error: {arguments.warehouse}: {error}", file=sys.stderr)
        return 2
    print(f"\n{table}\n")
    print(f"Warehouse  {arguments.warehouse} (public tables in schema marts)")
    print("Docs       make docs writes target/static_index.html")
    return 0


def _add_report(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "report", help="write what the DuckDB warehouse tells about customers, as one HTML file"
    )
    _add_warehouse(parser)
    parser.add_argument("--language", choices=("fr", "en"), default="fr", help="(fr)")
    parser.add_argument(
        "--out", type=Path, default=Path("target/report.html"), help="(target/report.html)"
    )
    parser.add_argument(
        "--pdf", action="store_true", help="print it beside as PDF, too, by Chromium"
    )
    parser.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> int:
    import duckdb

    # Matplotlib takes a second to import
    from amazing_segments.report import render_report
    from amazing_segments.report.pdf import print_pdf

    try:
        page = render_report(arguments.warehouse, arguments.language)
    except duckdb.CatalogException as error:
        print(
            f"error: {arguments.warehouse} is not built to the end (dbt build): {error}",
            file=sys.stderr,
        )
        return 2
    except duckdb.Error as error:
        print(f"error: {arguments.warehouse}: {error}", file=sys.stderr)
        return 2
    try:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(page, encoding="utf-8")
        print(arguments.out)
        if arguments.pdf:
            print_pdf(arguments.out, arguments.out.with_suffix(".pdf"))
            print(arguments.out.with_suffix(".pdf"))
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _add_redshift_smoke(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "redshift-smoke", help="build a sample on a Redshift cluster, compare it, and drop it"
    )
    parser.add_argument("--target", default="redshift", help="target of the profile (redshift)")
    parser.set_defaults(run=_redshift_smoke)


def _redshift_smoke(arguments: argparse.Namespace) -> int:
    from amazing_segments.redshift_smoke import FAILURES, redshift_smoke

    try:
        redshift_smoke(arguments.target)
    except FAILURES as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("The cluster gives the same tables as DuckDB.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="amazing-segments", description="Customer segmentation by habits, in the warehouse."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for add_command in (_add_sample_events, _add_show, _add_report, _add_redshift_smoke):
        add_command(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command; the exit code is 0, or 2 for arguments or data that cannot be used."""
    arguments = _parser().parse_args(argv)
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
