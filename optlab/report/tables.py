"""Any table as a file: CSV for a spreadsheet, JSON for a program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from optlab.store.safe_json import finite

if TYPE_CHECKING:
    from pandas import DataFrame

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula. Names of models and layers may come from anyone."""


def as_csv(frame: DataFrame) -> str:
    """`frame` as CSV with a header; words that a spreadsheet would run get an apostrophe in front."""
    safe = frame.copy()
    for column in safe.columns:
        if not _numeric(safe[column]):
            safe[column] = [_harmless(value) for value in safe[column]]
    return str(safe.to_csv(index=False, lineterminator="\n"))


def as_json(frame: DataFrame) -> str:
    """`frame` as a list of objects, one a row; null where a number is missing or not finite."""
    rows = json.loads(frame.to_json(orient="records", date_format="iso", double_precision=15) or "[]")
    return json.dumps(finite(rows), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _numeric(column: Any) -> bool:
    from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

    return bool(is_numeric_dtype(column) or is_datetime64_any_dtype(column))


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) and not _number(value) else value


def _number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True
