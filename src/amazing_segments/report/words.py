"""Words and numbers of the report in one language, with its typography."""

import re
from importlib import resources
from typing import Any

import pandas as pd
import yaml

LANGUAGES = ("fr", "en")
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
SPACE = "\N{NO-BREAK SPACE}"
MISSING = "\N{EN DASH}"
# below this share, one decimal would round to nothing
LEAST_SHARE = 0.0005

TEXTS: dict[str, dict[str, str]] = yaml.safe_load(
    resources.files(__package__).joinpath("texts.yml").read_text(encoding="utf-8")
)


class Words:
    """The texts of `texts.yml` and the numbers in one language.

    Attributes:
        language: One of `LANGUAGES`.
    """

    def __init__(self, language: str) -> None:
        """Choose a language."""
        self.language = language

    def __call__(self, key: str, **values: Any) -> str:
        """Return the text of a key, with its values.

        Raises:
            KeyError: There is no such text, or a value is missing.
        """
        return self.typeset(" ".join(TEXTS[key][self.language].split()).format(**values))

    @property
    def colon(self) -> str:
        """What parts a name from what is said of it."""
        return f"{SPACE}: " if self.language == "fr" else ": "

    @property
    def semicolon(self) -> str:
        """What parts the items of a list that have commas."""
        return f"{SPACE}; " if self.language == "fr" else "; "

    def of(self, row: Any, column: str) -> str:
        """Return the text of a column that the warehouse has in both languages, "" for none."""
        text = row[f"{column}_{self.language}"]
        return "" if pd.isna(text) else self.typeset(text)

    def typeset(self, text: str) -> str:
        """Return a text with the apostrophes and spaces of the language."""
        text = re.sub(r"(?<=\w)'(?=\w)", "\N{RIGHT SINGLE QUOTATION MARK}", text)
        if self.language == "fr":
            text = re.sub(r" (?=[:;?!%»])", SPACE, text)
            return text.replace("« ", f"«{SPACE}")
        return re.sub(r"(?<=\d) (?=%)", "", text)

    def number(self, value: Any, decimals: int = 0) -> str:
        """Return a number with thousands set apart, a dash where there is none."""
        if pd.isna(value):
            return MISSING
        text = f"{float(value):,.{decimals}f}"
        if float(text.replace(",", "")) == 0:
            text = text.lstrip("-")
        if self.language == "fr":
            text = text.replace(",", THIN_SPACE).replace(".", ",")
        return text.replace("-", "\N{MINUS SIGN}")

    def signed(self, value: float, decimals: int = 1) -> str:
        """Return a number with its sign."""
        return ("+" if round(value, decimals) > 0 else "") + self.number(value, decimals)

    def percent(self, share: Any, decimals: int = 1) -> str:
        """Return a share from 0 to 1 in per cent, a dash where there is none."""
        if pd.isna(share):
            return MISSING
        unit = f"{SPACE}%" if self.language == "fr" else "%"
        if 0 < share < LEAST_SHARE:
            return f"<{SPACE}{self.number(0.1, 1)}{unit}"
        return self.number(100 * share, decimals) + unit

    def date(self, moment: Any) -> str:
        """Return a day in words, a dash where there is none."""
        if pd.isna(moment):
            return MISSING
        first = "1er" if self.language == "fr" else "1"
        day = first if moment.day == 1 else moment.day
        return f"{day}{SPACE}{self.month_in_words(moment)}"

    def month_in_words(self, moment: Any) -> str:
        """Return month and year."""
        return f"{self(f'month_{moment.month}')}{SPACE}{moment.year}"

    def month(self, moment: pd.Timestamp) -> str:
        """Return month and year, short enough for an axis."""
        return f"{moment.month:02d}/{moment.year % 100:02d}"

    def value(self, value: Any, unit: str) -> str:
        """Return the value of a feature: shares in per cent, others with few decimals."""
        if unit.startswith("share"):
            return self.percent(value, 0)
        return self.number(value, 0 if abs(value) >= 100 else 1)
