"""Trades drawn from recorded chains: what would have printed had people traded at those quotes."""

import numpy as np

from gammacore import inverse
from gammacore.data import best_forward
from gammacore.data.listings import published
from gammacore.data.rows import day_of
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_SECOND, year_fraction

MILLISECOND = NS_PER_SECOND // 1_000


def drawn(chains, seed, each=400, earliest_ns=3 * NS_PER_HOUR):
    """Rows of option trades: so many at every snapshot, most of them near the money, up to hours before it.

    A taker buys at the ask, sells at the bid or meets somebody in the middle, a tick off now and then. The
    volatility of the quote is that of the trade; its price is what that is worth at the time of the trade.
    """
    random = np.random.default_rng(seed)
    forward, tau = best_forward(chains), chains.tau
    near = np.exp(-0.5 * (np.log(chains.strike / forward) / (chains.iv * np.sqrt(tau))) ** 2)
    weight = near / np.sqrt(tau)
    weight[~((chains.bid > 0) & (chains.ask > 0) & (chains.iv > 0) & (tau > 2 / 24 / 365))] = 0.0
    rows = []
    for first, last in zip(chains.offsets[:-1], chains.offsets[1:], strict=True):
        part = weight[first:last]
        if part.any():
            rows.append(first + random.choice(last - first, each, p=part / part.sum()))
    row = np.concatenate(rows)
    size = row.size
    side = random.integers(-1, 2, size)  # sells, meets in the middle, buys
    quote = np.where(side > 0, chains.ask[row], np.where(side < 0, chains.bid[row], 0.0))
    quote = np.where(side == 0, 0.5 * (chains.bid[row] + chains.ask[row]), quote)
    kind, strike, at = chains.kind[row], chains.strike[row], forward[row]
    vol = np.asarray(inverse.implied_vol(kind, quote, at, strike, tau[row]))
    ts = chains.ts_ns[row] - random.integers(0, earliest_ns, size) // MILLISECOND * MILLISECOND
    then = np.asarray(year_fraction(ts, chains.expiry_ns[row]))
    with np.errstate(invalid="ignore"):
        price = np.asarray(inverse.price(kind, at, strike, then, vol))
    grid = published().of(chains.currency, "option").spec
    tick = np.where(price >= 0.005, 0.0005, 0.0001)
    price = grid.round_price(
        np.maximum(np.nan_to_num(price) + tick * random.choice([-1, 0, 0, 0, 1], size), 1e-4)
    )
    iv = np.round(np.asarray(inverse.implied_vol(kind, price, at, strike, then)), 4)
    keep = np.isfinite(vol) & np.isfinite(iv)
    order = np.flatnonzero(keep)[np.argsort(ts[keep], kind="stable")]
    names = np.array(chains.names, dtype=object)[chains.code[row[order]]]
    amount = np.round(random.lognormal(0.0, 1.2, order.size), 1) + 0.1
    return rows_of(
        ts[order], names, price[order], amount, chains.index[row[order]], iv[order],
        np.where(side[order] < 0, "sell", "buy"),
    )  # fmt: skip


def rows_of(ts, names, price, amount, index, iv, direction="buy"):
    """Columns of the store's kind."""
    size = len(ts)
    return {
        "ts_ns": np.asarray(ts),
        "known_ns": np.array(ts),
        "instrument_name": np.asarray(names, dtype=object),
        "trade_id": np.array([str(i) for i in range(size)], dtype=object),
        "trade_seq": np.arange(1, size + 1),
        "direction": np.broadcast_to(np.asarray(direction, dtype=object), size),
        "price": np.asarray(price),
        "amount": np.asarray(amount),
        "mark_price": np.full(size, np.nan),
        "index_price": np.asarray(index),
        "iv": np.asarray(iv),
        "liquidation": np.full(size, "", dtype=object),
        "block_trade_id": np.full(size, "", dtype=object),
    }


def write(store, currency, rows, kind="option_trades"):
    """Write by day, and an empty file for days without."""
    days = rows["ts_ns"] // NS_PER_DAY
    for day in range(int(days.min()), int(days.max()) + 1):
        part = {name: column[days == day] for name, column in rows.items()}
        store.write(kind, currency, day_of(day * NS_PER_DAY), "download", part)
