"""What PostgreSQL is sent in the place of a statement for Redshift.

A statement passes as it is, but for a few local edits: what Redshift has and PostgreSQL lacks is
made there, as far as it can be (bootstrap.pgsql). What PostgreSQL has and Redshift lacks is
refused.
"""

import logging
from collections.abc import Iterator
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.dialects import Redshift
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

# dbt's own queries of the catalogue, which run on the leader node
CATALOGUES = ("pg_", "svv_", "svl_", "stl_", "stv_", "sys_", "information_schema")
# it says so where a statement has no query in it
logging.getLogger("sqlglot").setLevel(logging.ERROR)

MANUAL = "https://docs.aws.amazon.com/redshift/latest/dg/"
# function -> the page that says that Redshift lacks it, or the list of those that it has
LACKING_FUNCTIONS = {
    name: MANUAL + page
    for page, names in {
        "c_unsupported-postgresql-functions.html": (
            "array_agg bit_length clock_timestamp corr covar_pop covar_samp div encode every "
            "format generate_series generate_subscripts overlay regexp_matches "
            "regexp_split_to_array regexp_split_to_table setseed string_agg width_bucket"
        ),
        "c_SQL_functions.html": (
            "approx_quantile arg_max arg_min concat_ws date_bin epoch gen_random_uuid getvariable "
            "hash isfinite json_agg json_build_object list list_aggregate make_date "
            "make_timestamp max_by min_by mode quantile_cont row_to_json strftime strptime "
            "struct_pack to_json to_jsonb unnest"
        ),
    }.items()
    for name in names.split()
}
# words one after another, * for any -> the page of the syntax that has none of it
LACKING_PHRASES = {
    (")", "filter", "("): MANUAL + "c_Aggregate_Functions.html",
    ("distinct", "on", "("): MANUAL + "r_SELECT_list.html",
    ("on", "conflict"): MANUAL + "r_INSERT_30.html",
    ("as", "materialized", "("): MANUAL + "r_WITH_clause.html",
    ("window", "*", "as", "("): MANUAL + "r_Window_function_synopsis.html",
    ("is", "distinct", "from"): MANUAL + "c_unsupported-postgresql-functions.html",
    ("is", "not", "distinct", "from"): MANUAL + "c_unsupported-postgresql-functions.html",
}
WINDOW_PAGE = MANUAL + "c_unsupported-postgresql-features.html"
LACKING_TYPES = frozenset({"bytea", "json", "jsonb", "uuid"})
TYPES_PAGE = MANUAL + "c_unsupported-postgresql-datatypes.html"
# "must be applied on at least one user created table":
# https://docs.aws.amazon.com/redshift/latest/dg/r_MEDIAN.html and those of the others
COMPUTE_NODE_FUNCTIONS = frozenset({"listagg", "median", "percentile_cont", "percentile_disc"})
WITH_DATE_PART = frozenset({"datediff", "dateadd", "date_diff", "date_add", "date_part"})
# sqlglot counts them among the aggregates, Redshift among those that need no frame
FRAMELESS = (
    exp.CumeDist,
    exp.DenseRank,
    exp.Lag,
    exp.Lead,
    exp.Ntile,
    exp.PercentRank,
    exp.Rank,
    exp.RowNumber,
)
# what is a whole number by its syntax, and what is one if all its parts are
# TsOrDsDiff is DATEDIFF
WHOLE = (exp.Count, exp.Extract, exp.Length, exp.RowNumber, exp.TsOrDsDiff)
WHOLE_IF_ITS_PARTS = (
    *(exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Paren, exp.Coalesce, exp.Nullif),
    *(exp.Max, exp.Min, exp.Sum),
)
WHOLE_TYPES = (exp.DataType.Type.SMALLINT, exp.DataType.Type.INT, exp.DataType.Type.BIGINT)
NUMBERS_PAGE = MANUAL + "r_numeric_computations201.html"
# of a cluster with one node: https://docs.aws.amazon.com/redshift/latest/dg/fetch.html
FETCHED_ROWS = 1000
TRANSACTIONS = frozenset({"begin", "commit", "rollback", "end", "abort", "set", "reset", "show"})

Edit = tuple[int, int, str]  # from, to, what stands there instead


class RefusedError(Exception):
    """Redshift would refuse the statement, or the stand-in cannot tell what it would do."""


def refusal(reason: object) -> str:
    """Return a statement that fails with this reason."""
    text = str(reason).replace("$", "")
    return f"do $refused$ begin raise exception '%', $reason${text}$reason$; end $refused$"


@lru_cache(maxsize=10_000)
def translate(sql: str) -> str:
    """Return what PostgreSQL is to execute.

    Raises:
        RefusedError: Redshift would refuse it.
    """
    if "$1" in sql:
        return sql  # bound values: rows of a seed, or of a Python model
    tokens = Redshift().tokenize(sql)
    words = [token.text.lower() for token in tokens]
    if not words or words[0] in TRANSACTIONS:
        return sql
    # the tokenizer leaves what follows in one piece
    if words[0] == "fetch" and int(words[1].split()[1]) > FETCHED_ROWS:
        raise RefusedError(f"FETCH of more than {FETCHED_ROWS} rows")
    if not any(word.startswith(CATALOGUES) for word in words):
        check(sql, tokens, words)
    for start, end, text in sorted(edits(sql, tokens, words), reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def check(sql: str, tokens: list[Token], words: list[str]) -> None:
    names = [
        "" if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER) else word
        for token, word in zip(tokens, words, strict=True)
    ]
    called = {name for name, after in zip(names, [*words[1:], ""], strict=True) if after == "("}
    for name in sorted(called & LACKING_FUNCTIONS.keys()):
        raise RefusedError(f"Redshift has no function {name}: {LACKING_FUNCTIONS[name]}")
    for phrase, page in LACKING_PHRASES.items():
        if any(
            all(one in (name, "*") for one, name in zip(phrase, names[k:], strict=False))
            for k in range(len(names) - len(phrase) + 1)
        ):
            lacking = " ".join(phrase).strip("*() ").upper()
            raise RefusedError(f"Redshift has no {lacking}: {page}")
    for k, name in enumerate(names):
        if name == "over" and words[k + 1] == "(" and "nulls" in names[k : closing(words, k + 1)]:
            raise RefusedError(f"Redshift has no NULLS in a window: {WINDOW_PAGE}")
        if name in LACKING_TYPES and names[k - 1] in ("as", "::"):
            raise RefusedError(f"Redshift has no type {name}: {TYPES_PAGE}")
    try:
        tree = sqlglot.parse_one(sql, read="redshift")
    except (SqlglotError, TypeError):
        return  # COPY, GRANT and others, without a query in them
    if called & COMPUTE_NODE_FUNCTIONS and not reads_table(tree):
        raise RefusedError(
            "One or more of the used functions must be applied on at least one user created "
            f"table: {', '.join(sorted(called & COMPUTE_NODE_FUNCTIONS))}"
        )
    for window in tree.find_all(exp.Window):
        is_framed = isinstance(window.this, (exp.AggFunc, exp.IgnoreNulls))
        is_framed = is_framed and not isinstance(window.this, FRAMELESS)
        if is_framed and window.args.get("order") and not window.args.get("spec"):
            raise RefusedError(
                "Aggregate window functions with an ORDER BY clause require a frame clause: "
                + window.sql("redshift")
            )
    for average in tree.find_all(exp.Avg):
        if not isinstance(average.this, exp.Cast):
            raise RefusedError(
                "on Redshift the average of integers is an integer, that of decimals keeps their "
                f"scale: cast what {average.sql('redshift')} averages to double precision"
            )
    for division in tree.find_all(exp.Div):
        if is_whole(division.this) and is_whole(division.expression):
            raise RefusedError(
                "on Redshift the quotient of integers is an integer: cast what is divided in "
                f"{division.sql('redshift')} to double precision: {NUMBERS_PAGE}"
            )


def is_whole(tree: exp.Expression) -> bool:
    """Tell whether it is certainly a whole number. A column is if it is named so."""
    if isinstance(tree, exp.Cast):
        return tree.to.this in WHOLE_TYPES
    if isinstance(tree, WHOLE_IF_ITS_PARTS):
        return all(map(is_whole, tree.iter_expressions()))
    if isinstance(tree, exp.Column):
        return tree.name.endswith("_count")
    return isinstance(tree, WHOLE) or (isinstance(tree, exp.Literal) and tree.is_int)


def reads_table(tree: exp.Expression) -> bool:
    made = {cte.alias for cte in tree.find_all(exp.CTE)}
    if isinstance(tree, exp.Create):
        made.add(tree.this.name)
    return any(table.name not in made for table in tree.find_all(exp.Table))


def edits(sql: str, tokens: list[Token], words: list[str]) -> Iterator[Edit]:
    is_create = words[0] == "create"
    # where the columns of a CREATE TABLE are, if it lists them
    columns = range(0)
    if is_create and "(" in words and "as" not in words[: words.index("(")]:
        columns = range(words.index("("), closing(words, words.index("(")))
    words = [*words, "", "", ""]
    for i, token in enumerate(tokens):
        word, after = words[i], words[i + 1]
        start, end = token.start, token.end + 1
        if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
            continue
        if is_create and word in ("diststyle", "encode"):
            yield start, tokens[i + 1].end + 1, ""
        elif is_create and word in ("distkey", "sortkey"):
            if words[i - 1] in ("compound", "interleaved"):
                start = tokens[i - 1].start
            yield start, tokens[closing(words, i + 1)].end + 1 if after == "(" else end, ""
        elif is_create and word == "backup" and after in ("yes", "no"):
            yield start, tokens[i + 1].end + 1, ""
        elif is_create and words[i : i + 4] == ["with", "no", "schema", "binding"]:
            yield start, tokens[i + 3].end + 1, ""
        elif i in columns and word in ("varchar", "text") and after != "(":
            yield start, end, "varchar(256)"
        elif word in WITH_DATE_PART and after == "(" and words[i + 3] == ",":
            part = tokens[i + 2]
            if part.token_type is not TokenType.STRING:
                yield part.start, part.end + 1, f"'{part.text.lower()}'"
        elif word == "as" and after == "(" and is_cte(words, i):
            # PostgreSQL would write an expression out wherever it is named: more than it can plan
            yield end, end, " materialized"
        elif i in columns and word == "identity" and after == "(":
            last = tokens[closing(words, i + 1)]
            yield start, last.end + 1, "generated by default as identity"
        elif word == "try_cast" and after == "(":
            last = closing(words, i + 1)
            middle = words.index("as", i)
            value = sql[tokens[i + 2].start : tokens[middle].start]
            kind = sql[tokens[middle].end + 1 : tokens[last].start].strip()
            yield (
                start,
                tokens[last].end + 1,
                f"case when pg_input_is_valid({value}, '{kind}') then cast({value} as {kind}) end",
            )
        elif word == "approximate" and after == "count":
            yield start, end, ""
        elif word == "sysdate":
            yield start, end, "sysdate()"
        elif word == "listagg" and after == "(":
            yield from listagg_edits(tokens, words, i)


def is_cte(words: list[str], i: int) -> bool:
    """Tell whether the AS at `i` begins a common table expression."""
    return words[i - 2] == "with" or words[i - 3 : i - 1] == [")", ","]


def listagg_edits(tokens: list[Token], words: list[str], start: int) -> Iterator[Edit]:
    """LISTAGG(x, ',') WITHIN GROUP (ORDER BY y) is STRING_AGG(x, ',' ORDER BY y)."""
    yield tokens[start].start, tokens[start].end + 1, "string_agg"
    end = closing(words, start + 1)
    depth, has_separator = 0, False
    for word in words[start + 1 : end]:
        depth += (word == "(") - (word == ")")
        has_separator |= word == "," and depth == 1
    separator = "" if has_separator else ", ''"
    if words[end + 1 : end + 4] == ["within", "group", "("]:
        yield tokens[end].start, tokens[end + 3].end + 1, separator + " "
    elif separator:
        yield tokens[end].start, tokens[end].start, separator


def closing(words: list[str], opening: int) -> int:
    depth = 0
    for i in range(opening, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if depth == 0:
            return i
    raise RefusedError("a parenthesis is not closed")
