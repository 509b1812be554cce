"""Kinds of rows the store holds: columns, units, natural keys.

Times are integer nanoseconds UTC, volatilities decimals, prices in the instrument's quote (coin for inverse
options), amounts in the exchange's unit: USD for inverse futures and perpetuals, coin for options and linear
contracts. ``ts_ns`` is when something happened or began, ``known_ns`` when it could be known.
"""

from __future__ import annotations

import difflib
import re

import msgspec

from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_SECOND
from gammacore.errors import DataError

__all__ = [
    "IS_COMBO",
    "IS_OPTION",
    "IS_SPOT",
    "KINDS",
    "Kind",
    "bar_label",
    "currency_of",
    "currency_sql",
    "kind_named",
    "trades_of",
]

INTEGER, NUMBER, TEXT = "BIGINT", "DOUBLE", "VARCHAR"
_FAMILY = re.compile(r"[A-Z0-9]+_(USDC|USDT|EURR)\b")


class Kind(msgspec.Struct, frozen=True):
    """One kind of rows.

    Attributes
    ----------
    name : str
    columns : dict of str to str
        SQL type by name; ``ts_ns`` and ``known_ns`` come first.
    key : tuple of str
        Rows that agree in these are one row.
    per_instrument : bool
        Files hold one instrument each and carry its name.
    order : tuple of str
        Columns that rows are sorted by, in files and answers: the time, what else tells them apart, the key.
    """

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    per_instrument: bool
    order: tuple[str, ...]


def _kind(name: str, key: str, columns: str, *, per_instrument: bool = False, first: str = "") -> Kind:
    """Kind from a list of columns: ``name`` is a number, ``name:i`` an integer, ``name:t`` a text."""
    types = {"": NUMBER, "i": INTEGER, "t": TEXT}
    found = {"ts_ns": INTEGER, "known_ns": INTEGER}
    for word in columns.split():
        column, _, mark = word.partition(":")
        found[column] = types[mark]
    order = tuple(dict.fromkeys(["ts_ns", *first.split(), *key.split()]))
    return Kind(name, found, tuple(key.split()), per_instrument, order)


_TRADE = (
    "instrument_name:t trade_id:t trade_seq:i direction:t price amount mark_price index_price "
    "{}liquidation:t block_trade_id:t"
)
_SIDES = "bid_price bid_amount ask_price ask_amount"
_CHAIN = (
    "instrument_name:t underlying_name:t underlying index_price bid_price ask_price mark_price "
    "implied_volatility delta vega open_interest"
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind(
            "instruments",
            "instrument_name",
            "instrument_name:t instrument_kind:t expiry_ns:i strike option_type:t base_currency:t "
            "quote_currency:t settlement_currency:t price_index:t contract_size min_trade_amount tick_size "
            "tick_size_steps:t maker_commission taker_commission",
        ),
        _kind(
            "option_trades",
            "instrument_name trade_id",
            _TRADE.format("iv "),
            first="instrument_name trade_seq",
        ),
        _kind(
            "future_trades", "instrument_name trade_id", _TRADE.format(""), first="instrument_name trade_seq"
        ),
        _kind(
            "combo_trades", "instrument_name trade_id", _TRADE.format(""), first="instrument_name trade_seq"
        ),
        _kind(
            "spot_trades", "instrument_name trade_id", _TRADE.format(""), first="instrument_name trade_seq"
        ),
        _kind(
            "candles",
            "instrument_name interval_ns ts_ns",
            "instrument_name:t interval_ns:i open high low close volume cost",
            per_instrument=True,
        ),
        _kind(
            "dvol", "index_name interval_ns ts_ns seq", "index_name:t interval_ns:i seq:i open high low close"
        ),
        _kind(
            "funding",
            "instrument_name ts_ns",
            "instrument_name:t funding_rate interest_8h index_price prev_index_price",
            per_instrument=True,
        ),
        _kind("delivery", "index_name ts_ns", "index_name:t date:t delivery_price"),
        _kind("chains", "instrument_name ts_ns", _CHAIN),
        _kind(
            "chains_modelled",
            "instrument_name ts_ns",
            f"{_CHAIN} forward_source:t trades:i modelled:t",
        ),
        _kind(
            "books",
            "instrument_name ts_ns known_ns seq",
            "seq:i instrument_name:t type:t change_id:i prev_change_id:i bids:t asks:t",
        ),
        _kind("quotes", "instrument_name ts_ns known_ns seq", f"seq:i instrument_name:t {_SIDES}"),
        _kind("index", "index_name ts_ns known_ns seq", "seq:i index_name:t price"),
        _kind(
            "tickers",
            "instrument_name ts_ns known_ns seq",
            f"seq:i instrument_name:t {_SIDES} mark_price index_price last_price open_interest "
            "underlying_name:t underlying mark_iv bid_iv ask_iv delta gamma vega theta rho "
            "current_funding funding_8h",
        ),
        _kind(
            "transactions",
            "account source row_id",
            "account:t source:t row_id:t seq:i type:t side:t instrument_name:t amount position price "
            "mark_price index_price cashflow funding fee change balance equity trade_id:t order_id:t label:t "
            "info:t",
            first="seq",
        ),
        _kind("gaps", "channel ts_ns known_ns", "channel:t reason:t"),
    )
}
"""All kinds by name; ``gaps`` run from ``ts_ns`` to ``known_ns``."""


def kind_named(name: str) -> Kind:
    """Kind of a name.

    Raises
    ------
    DataError
        If there is none, with the nearest names.
    """
    if name in KINDS:
        return KINDS[name]
    near = difflib.get_close_matches(name, KINDS, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise DataError(f"kind {name!r}: there are {', '.join(KINDS)}{hint}")


def currency_of(instrument_name: str) -> str:
    """Settlement currency under which the exchange lists an instrument: BTC, ETH, USDC, ..."""
    match = _FAMILY.match(instrument_name)
    return match[1] if match else re.split(r"[-_]", instrument_name, maxsplit=1)[0]


IS_SPOT = "^[A-Z0-9]+_[A-Z0-9]+$"
IS_COMBO = "^[A-Z0-9_]+-[A-Z][A-Z0-9]*-"  # a code where other names have a day, and legs after it
IS_OPTION = "-[CP]$"


def trades_of(instrument_name: str) -> str:
    """Kind of the trades of an instrument."""
    if re.search(IS_SPOT, instrument_name):
        return "spot_trades"
    if re.search(IS_COMBO, instrument_name):
        return "combo_trades"
    return "option_trades" if re.search(IS_OPTION, instrument_name) else "future_trades"


def currency_sql(column: str) -> str:
    """Write `currency_of` in SQL."""
    family = f"regexp_extract({column}, '^[A-Z0-9]+_(USDC|USDT|EURR)($|[^A-Za-z0-9_])', 1)"
    return f"coalesce(nullif({family}, ''), regexp_extract({column}, '^[^-_]*'))"


def bar_label(length_ns: int) -> str:
    """Length of a bar as file names have it: 1m, 2h, 1d."""
    for unit, size in (("d", NS_PER_DAY), ("h", NS_PER_HOUR), ("m", NS_PER_MINUTE)):
        if length_ns % size == 0:
            return f"{length_ns // size}{unit}"
    return f"{length_ns // NS_PER_SECOND}s"
