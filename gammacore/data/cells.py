"""Cells of files as exact values: the SQL that reads a time or a whole number out of a text, or NULL.

Nothing is rounded. A time has all its digits or is none: a row that moves by half a second is seen before it
was known, and two rows of one second become one.
"""

from __future__ import annotations

import re

__all__ = ["double_text", "time_sql", "whole_sql", "why_no_time", "why_not_whole"]

_DAY = r"(19|20)[0-9]{{2}}-[0-9]{{1,2}}-[0-9]{{1,2}}"
_HOUR = r"[0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,{digits}}})?)?"
_ISO = _DAY + r"([T ]" + _HOUR + r"( ?(Z|UTC|[+-][0-9]{{2}}(:?[0-9]{{2}})?))?)?"
# Seconds, milliseconds, microseconds and nanoseconds since 1970, from 2001 to 2096.
_COUNT = r"[1-3][0-9]{9}([0-9]{3}){0,3}"
_DIGITS = {10: 9, 13: 6, 16: 3, 19: 0}
# Seconds that read as yyyymmddHH are of 2033 and later, and one in a hundred even then.
_CALENDAR = r"20[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([01][0-9]|2[0-3])"


def time_sql(text: str) -> str:
    """Write the SQL of the nanoseconds UTC in a text; NULL where it is no time.

    Parameters
    ----------
    text : str
        SQL of a trimmed text: ISO 8601 of the years 1900 to 2099 with up to nine decimals, UTC when it has no
        zone; or seconds, milliseconds, microseconds or nanoseconds since 1970 in 10, 13, 16 or 19 digits,
        with decimals down to the nanosecond. Exponents (a spreadsheet's ``1.73569E+12``) and digits of a
        calendar (``2025010100``) are no times.
    """
    # The database's own reader is exact to the microsecond, and quick.
    short, long = (f"regexp_full_match({text}, '{_ISO.format(digits=digits)}')" for digits in (6, 9))
    seconds = f"regexp_replace({text}, '\\.[0-9]+', '')"
    decimals = f"CAST(rpad(regexp_extract({text}, '\\.([0-9]+)', 1), 9, '0') AS BIGINT)"
    calendar = f"regexp_full_match({text}, '{_CALENDAR}')"
    counts = " ".join(f"WHEN {size} THEN TRY_CAST({text} AS BIGINT) * {10**d}" for size, d in _DIGITS.items())
    return (
        f"CASE WHEN {short} THEN epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)) * 1000 "
        f"WHEN regexp_full_match({text}, '{_COUNT}') THEN "
        f"CASE WHEN {calendar} THEN NULL ELSE CASE length({text}) {counts} END END "
        f"WHEN regexp_full_match({text}, '{_COUNT}\\.[0-9]*') THEN {_decimal(text)} "
        f"WHEN {long} THEN epoch_us(TRY_CAST({seconds} AS TIMESTAMPTZ)) * 1000 + {decimals} END"
    )


def _decimal(text: str) -> str:
    """Write the SQL of a count with decimals; NULL where they go below the nanosecond."""
    whole, fraction = f"split_part({text}, '.', 1)", f"rtrim(split_part({text}, '.', 2), '0')"
    units = " ".join(
        f"WHEN length({whole}) = {size} AND length({fraction}) <= {digits} "
        f"THEN TRY_CAST({whole} || rpad({fraction}, {digits}, '0') AS BIGINT)"
        for size, digits in _DIGITS.items()
    )
    return f"CASE WHEN regexp_full_match({whole}, '{_CALENDAR}') THEN NULL {units} END"


def whole_sql(text: str) -> str:
    """Write the SQL of the integer in a text, which may end in ``.0``; NULL where it is none."""
    return (
        f"CASE WHEN regexp_full_match({text}, '[+-]?[0-9]{{1,19}}(\\.0*)?') "
        f"THEN TRY_CAST(split_part({text}, '.', 1) AS BIGINT) END"
    )


def double_text(column: str, sql_type: str) -> str:
    """Write the SQL of the text of a Parquet column that holds times.

    A DOUBLE stands for the shortest decimal that reads as it, which is what a writer of microseconds meant:
    it tells seconds of our time apart to 2.4e-7 s. Where it is too coarse for its own digits (fractions of a
    microsecond, nanoseconds, any 32-bit FLOAT) the text is one that is no time.

    Parameters
    ----------
    column : str
        Quoted name.
    sql_type : str
        As DuckDB names it.
    """
    text = f"trim(CAST({column} AS VARCHAR))"
    if sql_type == "FLOAT":
        return f"{text} || ' (32-bit float)'"
    if sql_type == "DOUBLE":
        coarse = f"abs({column}) >= 1e14 AND {column} != floor({column})"
        return f"CASE WHEN {coarse} THEN {text} || ' (64-bit float)' ELSE {text} END"
    return text


def why_no_time(cell: str) -> str:
    """Say why a text is no time, and what to write."""
    if re.search(r"\d[eE][+-]?\d+$", cell):
        return "is not a time: the exponent has lost its last digits; export the column as whole numbers"
    if cell.endswith("-bit float)"):
        return "is not a time: a float is too coarse for it; export the column as integers or timestamps"
    if re.fullmatch(r"20\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d*", cell):
        return "is not a time: it reads as digits of a date; write 2025-01-31T00:00:00Z"
    if re.fullmatch(r"\d{9,}\.\d+", cell) or re.search(r":\d\d\.\d{10,}", cell):
        return "is not a time: it has digits below the nanosecond"
    return "is not a time: write ISO 8601 in UTC, or s, ms, us or ns since 1970"


def why_not_whole(cell: str) -> str:
    """Say why a text is no whole number."""
    return "is not an integer" + ("; export the column as whole numbers" if re.search(r"[.eE]", cell) else "")
