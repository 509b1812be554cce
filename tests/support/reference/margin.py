"""Portfolio margin written again from its description: one position and one scenario at a time."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr


def black(kind, forward, strike, tau, vol):
    """Undiscounted Black price, USD."""
    total = vol * np.sqrt(tau)
    if total == 0.0:
        return max(kind * (forward - strike), 0.0)
    d1 = np.log(forward / strike) / total + total / 2
    return kind * (forward * ndtr(kind * d1) - strike * ndtr(kind * (d1 - total)))


def shocked(rates, vol, tau):
    """Volatilities after each of the three shocks."""
    days = tau * 365
    power = rates.short_term_vega_power if days < 30 else rates.long_term_vega_power
    factor = (30 / days) ** power if days > 0 else 0.0
    return {
        "up": max(vol * (1 + rates.volatility_range_up * factor), rates.min_volatility_for_shock_up),
        "same": vol,
        "down": max(vol * (1 - rates.volatility_range_down * factor), 0.0),
    }


def grid(rates):
    """Move, volatility and whether it is of the extended table."""
    steps = np.linspace(-rates.price_range, rates.price_range, 2 * rates.buckets_count + 1)
    standard = [(float(move), name, False) for move in steps for name in ("up", "same", "down")]
    return standard + [(move, "up", True) for move in rates.extended_moves]


def profit(rates, line, inverse, move, name):
    """Profit of one coin, settlement currency."""
    kind, strike, tau, vol, price = line
    after = price * (1 + move)
    if kind == 0:
        return 1 - price / after if inverse else after - price
    now, then = (
        black(kind, price, strike, tau, vol),
        black(kind, after, strike, tau, shocked(rates, vol, tau)[name]),
    )
    return then / after - now / price if inverse else then - now


def vector(rates, line, inverse):
    """Profit of one coin in every scenario, the extended ones scaled."""
    found = []
    for move, name, extended in grid(rates):
        earned = profit(rates, line, inverse, move, name)
        if extended:
            after = 1 + move
            usd = earned * after if inverse else earned  # at the price of the scenario
            usd *= rates.extended_table_factor * rates.price_range / abs(move)
            edge = 1 + np.sign(move) * rates.price_range
            earned = usd / edge if inverse else usd
        found.append(earned)
    return np.array(found)


def delta(line):
    """Black's delta of one coin."""
    kind, strike, tau, vol, price = line
    if kind == 0:
        return 1.0
    total = vol * np.sqrt(tau)
    if total == 0.0:
        return float(kind * (kind * (price - strike) > 0)) if price != strike else kind * 0.5
    return kind * ndtr(kind * (np.log(price / strike) / total + total / 2))


def initial_margin(rates, lines, groups, sizes, index, inverse):
    """Worst loss, roll shock and delta shock, settlement currency."""
    pairs = list(zip(lines, sizes, strict=True))
    total = sum((q * vector(rates, line, inverse) for line, q in pairs), np.zeros(len(grid(rates))))
    worst = 0.0
    for (move, _, extended), earned in zip(grid(rates), total, strict=True):
        if extended:
            usd = (abs(move) / rates.price_range - 1) * rates.extended_dampener
            edge = index * (1 + np.sign(move) * rates.price_range)
            earned = np.sign(earned) * max(abs(earned) - (usd / edge if inverse else usd), 0.0)
        worst = max(worst, -earned)
    roll, coin = 0.0, 1.0 if inverse else index
    for group in set(groups.tolist()):
        members = np.flatnonzero(groups == group)
        net = sum(sizes[i] * delta(lines[i]) for i in members)
        rate = max(rates.min_annualised_move, np.exp(rates.annualised_move_risk * lines[members[0]][2]) - 1)
        roll += abs(net) * rate * coin
    bought = sum(q * delta(line) for line, q in pairs if line[0] != 0 and q > 0)
    held = sum(q * delta(line) for line, q in pairs if line[0] == 0 or q <= 0)
    net = held
    if bought * held < 0:
        net = np.sign(held) * max(abs(held) - abs(bought), 0.0)
    over = max(abs(net) * index - rates.delta_total_liq_shock_threshold, 0.0)
    shock = min(over * abs(net) * rates.m_inc, rates.max_delta_shock * abs(net) * index)
    return round(worst, 9), roll, shock / index if inverse else shock
