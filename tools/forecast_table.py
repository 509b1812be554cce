"""Forecasts of realised volatility out of sample, against each other.

    python tools/forecast_table.py DATA [--term]

DATA holds ``prices/{btcusdt_binance_spot,ethusdt_bybit_perp}_1h.csv.gz``,
``prices/btcusdt_binance_spot_1m_202[34]-*``, ``dvol/btc_dvol_1h.csv.gz`` and ``dvol/eth_dvol_1d.csv.gz``.
Prints the tables of docs/volatility-evidence.md; about a minute. With scikit-learn installed a boosted tree
is among the models. ``--term`` prints instead how the term structure of implied volatility of the chains in
``deribit_options`` did on the days that they reach over; half a minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gammacore.array_types import Floats
from gammacore.data import best_forward, load_chains, load_prices
from gammacore.data.dvol import load_dvol
from gammacore.data.surfaces import snapshot_surface
from gammacore.daycount import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, NS_PER_YEAR, parse_time, utc_date
from gammacore.volatility import fit_clock, realised_variance, realised_vol
from gammacore.volatility.forecast import (
    ARCH_MODELS,
    HAR,
    History,
    arch_forecasts,
    combine_constrained,
    combine_equal,
    combine_inverse_loss,
    combined_forecasts,
    correct_level,
    daily_history,
    density_history,
    ewma_forecasts,
    har_forecasts,
    naive_forecasts,
    score_table,
)
from gammacore.volatility.forecast.bounds import within_realised
from gammacore.volatility.forecast.har import regressors
from gammacore.volatility.index_history import IndexHistory

HORIZONS = (1, 5, 20)
# Coin, prices, until when the clock is fitted (before any forecast is scored), and DVOL.
MARKETS = (
    ("BTC", "btcusdt_binance_spot_1h.csv.gz", "2021-06-01", "btc_dvol_1h.csv.gz"),
    ("ETH", "ethusdt_bybit_perp_1h.csv.gz", "2023-06-01", "eth_dvol_1d.csv.gz"),
)
REFIT = 30  # days between two fits of the tree


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201


def implied_variance(data: Path, name: str, end_ns: np.ndarray) -> Floats:
    """Return the square of DVOL as known at the end of each day; NaN where its last reading is old."""
    index = load_dvol(data / "dvol" / name)
    old_ns = 2 * index.interval_ns
    return IndexHistory(index.ts_ns, index.vol, old_ns, old_ns).last_before(end_ns, old_ns) ** 2


def tree(timed: History, implied: Floats, days: int) -> Floats | None:
    """Forecast by boosted trees of what the regressions see; None without scikit-learn."""
    try:
        from sklearn.ensemble import HistGradientBoostingRegressor
    except ImportError:
        return None
    model = HAR(leverage=True, implied=True)
    x, y = regressors(timed, model, implied), np.log(timed.realised(days * NS_PER_DAY))
    good, found = np.isfinite(x[:, 1:-1]).all(axis=1), np.full(y.size, np.nan)
    for at in range(0, y.size, REFIT):
        past = np.flatnonzero((good & np.isfinite(y))[: max(at - days + 1, 0)])
        if past.size < 500:
            continue
        fit = HistGradientBoostingRegressor(
            max_iter=100, learning_rate=0.05, max_leaf_nodes=8, random_state=0
        )
        fit.fit(x[past], y[past])
        part = np.arange(at, min(at + REFIT, y.size))
        noise = np.var(y[past] - fit.predict(x[past]))
        found[part] = np.where(good[part], np.exp(fit.predict(x[part]) + 0.5 * noise), np.nan)
    return np.asarray(within_realised(found, timed.realised(days * NS_PER_DAY), days))


def forecasts(history: History, timed: History, implied: Floats) -> dict[int, dict[str, Floats]]:
    """All models' forecasts of annualised variance, by horizon in days."""
    arch = {name: arch_forecasts(history.change, name, HORIZONS) for name in ARCH_MODELS}
    found: dict[int, dict[str, Floats]] = {}
    for days in HORIZONS:
        ahead = days * NS_PER_DAY
        to_calendar = timed.rate_to_calendar(ahead)
        table = {
            "yesterday": naive_forecasts(history, 1),
            f"last {days} days": naive_forecasts(history, days),
            "EWMA": ewma_forecasts(history.variance),
            **{name.upper(): arch[name][days] for name in ARCH_MODELS},
            "HAR": har_forecasts(history, ahead, HAR(log=False)),
            "HAR weighted": har_forecasts(history, ahead, HAR(log=False, weighted=True)),
            "log HAR": har_forecasts(history, ahead),
            "log SHAR": har_forecasts(history, ahead, HAR(semivariance=True)),
            "log HAR-CJ": har_forecasts(history, ahead, HAR(jumps=True)),
            "log LHAR": har_forecasts(history, ahead, HAR(leverage=True)),
            "log LHAR, clock": har_forecasts(timed, ahead, HAR(leverage=True)) * to_calendar,
            "log HAR-X (DVOL)": har_forecasts(history, ahead, HAR(implied=True), implied_variance=implied),
            "DVOL": implied,
            "combined": combined_forecasts(timed, ahead, implied_variance=implied) * to_calendar,
        }
        realised = history.realised(ahead)
        corrected = ["GARCH", "GJR", "log HAR-X (DVOL)", "log LHAR, clock"]
        for name in [*corrected, "DVOL"]:
            table[f"{name}, corrected"] = correct_level(table[name], realised, days)
        if days == 1:
            del table["last 1 days"]
        if (boosted := tree(timed, implied, days)) is not None:
            table["boosted trees"] = boosted * to_calendar
        stacked = np.stack([table[f"{name}, corrected"] for name in corrected], axis=1)
        table["equal weights of the corrected"] = combine_equal(stacked)
        table["inverse QLIKE of the corrected"] = combine_inverse_loss(stacked, realised, days)
        table["constrained regression of the corrected"] = combine_constrained(stacked, realised, days)
        found[days] = table
    return found


def score(history: History, table: dict[str, Floats], days: int) -> None:
    """Print one horizon."""
    realised = history.realised(days * NS_PER_DAY)
    naive = "yesterday" if days == 1 else f"last {days} days"
    others = ("GARCH, corrected", naive)
    against = {
        other: {one.name: one for one in score_table(realised, table, days, other, reps=10)}
        for other in others
    }
    scores = score_table(realised, table, days, "GARCH")
    common = np.isfinite(realised) & np.all([np.isfinite(one) for one in table.values()], axis=0)
    first, last = (utc_date(int(history.end_ns[np.flatnonzero(common)[at]])) for at in (0, -1))
    say(f"\n{days} days ahead: {scores[0].n} origins from {first} to {last}")
    say("| model | QLIKE | RMSE | slope | p | R2 | DM to GARCH | p | corrected | p | naive | p | MCS p |")
    say("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for one in scores:
        tests = [one, *(against[other][one.name] for other in others)]
        cells = " | ".join(
            " | " if np.isnan(test.p_value) else f"{test.against:+.2f} | {test.p_value:.3f}" for test in tests
        )
        say(f"| {one.name} | {one.qlike:.4f} | {100 * one.rmse:.2f} | {one.slope:.2f} | {one.unbiased_p:.3f} "
            f"| {one.r2:.3f} | {cells} | {one.set_p:.2f} |")  # fmt: skip


def densities(history: History) -> None:
    """Print how uniform the probability integral transforms are."""
    from scipy.stats import kstest

    say("\n| horizon | densities | apart | KS p | below 5 % | 25 % | 50 % | 75 % | 95 % | mean log sd |")
    say("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for hours in (8, 24, 5 * 24, 20 * 24, 30 * 24):
        density, realised = density_history(history, hours * NS_PER_HOUR, HAR(leverage=True))
        pit = density.cdf(realised)
        good = np.flatnonzero(np.isfinite(pit) & np.isfinite(realised))
        apart = pit[good[:: max(-(-hours // 24), 1)]]
        shares = " | ".join(f"{np.mean(pit[good] < level):.3f}" for level in (0.05, 0.25, 0.5, 0.75, 0.95))
        name = f"{hours} h" if hours <= 24 else f"{hours // 24} d"
        say(f"| {name} | {good.size} | {apart.size} | {kstest(apart, 'uniform').pvalue:.3f} | {shares} "
            f"| {np.nanmean(np.asarray(density.log_sd)[good]):.3f} |")  # fmt: skip


def premium(data: Path, file: str, ts_ns: np.ndarray, close: Floats) -> None:
    """Print DVOL less the volatility of the following 30 days, by year."""
    index = load_dvol(data / "dvol" / file)
    known, dvol = index.ts_ns, index.vol
    days = (
        np.arange(known[0] - NS_PER_HOUR, known[-1] + 1, NS_PER_DAY) // NS_PER_DAY * NS_PER_DAY + NS_PER_DAY
    )
    squares = np.concatenate([[0.0], np.cumsum(np.diff(np.log(close)) ** 2)])
    end = days + 30 * NS_PER_DAY
    use = (days >= ts_ns[0]) & (end <= ts_ns[-1])
    days, end = days[use], end[use]
    first, last = (np.searchsorted(ts_ns, at, side="right") - 1 for at in (days, end))
    realised = np.sqrt((squares[last] - squares[first]) * 365 / 30)
    gap = 100 * (dvol[np.searchsorted(known, days, side="right") - 1] - realised)
    years = np.array([utc_date(int(day)).year for day in days])
    say(
        f"\nDVOL less the following 30 days: {gap.size} days, "
        f"mean {gap.mean():+.1f}, positive {np.mean(gap > 0):.1%}"
    )
    say(", ".join(f"{year} {gap[years == year].mean():+.1f}" for year in np.unique(years)))


def sampling(data: Path) -> None:
    """Print the volatility of 2023 and 2024 by sampling."""
    prices = load_prices(sorted((data / "prices").glob("btcusdt_binance_spot_1m_202[34]-*.csv.gz")))
    say("\n| minutes | every m-th close | all grids | 95 % |\n|---|---:|---:|---|")
    for minutes in (1, 5, 15, 60, 240, 480, 1440):
        found = realised_variance(
            prices.ts_ns, prices.close, step_ns=minutes * NS_PER_MINUTE, subsamples=min(minutes, 60)
        )
        plain = realised_vol(prices.ts_ns[::minutes], prices.close[::minutes])
        say(f"| {minutes} | {100 * plain:.1f} | {100 * found.vol:.1f} "
            f"| {100 * found.low:.1f} to {100 * found.high:.1f} |")  # fmt: skip


def term_structure(data: Path, coin: str, end_ns: np.ndarray) -> dict[int, Floats]:
    """Return the variance a year that chains imply over each horizon, as known at the end of each day.

    Of the last chain of at most half a day before: at the money, total variance straight in time between the
    expiries of its fitted surface.
    """
    chains = load_chains(data / "deribit_options", currency=coin)
    forward, found = best_forward(chains), {days: np.full(end_ns.size, np.nan) for days in HORIZONS}
    for row, end in enumerate(end_ns.tolist()):
        at = int(np.searchsorted(chains.snapshot_ts, end, side="right")) - 1
        if at < 0 or end - int(chains.snapshot_ts[at]) > NS_PER_DAY // 2:
            continue
        try:
            surface = snapshot_surface(chains, at, forward)
        except ValueError:
            continue
        years = (surface.expiry_ns - surface.ts_ns) / NS_PER_YEAR
        total = surface.vol(surface.forward, surface.expiry_ns) ** 2 * years
        known = np.isfinite(total)
        years, total = (np.concatenate([[0.0], each[known]]) for each in (years, total))
        for days, column in found.items():
            ends = (end + np.array([0, days]) * NS_PER_DAY - surface.ts_ns) / NS_PER_YEAR
            if ends[1] <= years[-1]:
                column[row] = np.diff(np.interp(ends, years, total))[0] * 365.0 / days
    return found


def score_term(coin: str, history: History, timed: History, implied: Floats, term: dict[int, Floats]) -> None:
    """Print the term structure beside the other forecasts of the days that chains reach over."""
    for days in HORIZONS:
        ahead, realised = days * NS_PER_DAY, history.realised(days * NS_PER_DAY)
        to_calendar = timed.rate_to_calendar(ahead)
        har = har_forecasts(timed, ahead, HAR(leverage=True)) * to_calendar
        table = {
            "forecast": ewma_forecasts(history.variance),
            "har": har,
            "DVOL": implied,
            "DVOL, corrected": correct_level(implied, realised, days),
            "combined": combined_forecasts(timed, ahead, implied_variance=implied) * to_calendar,
            "term structure": term[days],
            "term structure, corrected": correct_level(term[days], realised, days),
        }
        members = [har, table["DVOL, corrected"]]
        table["har and DVOL"] = combine_inverse_loss(np.stack(members, axis=1), realised, days)
        members.append(table["term structure, corrected"])
        table["har, DVOL and term structure"] = combine_inverse_loss(
            np.stack(members, axis=1), realised, days
        )
        against = {one.name: one for one in score_table(realised, table, days, "har and DVOL", reps=10)}
        scores = score_table(realised, table, days, "DVOL, corrected")
        common = np.isfinite(realised) & np.all([np.isfinite(one) for one in table.values()], axis=0)
        first, last = (utc_date(int(history.end_ns[np.flatnonzero(common)[at]])) for at in (0, -1))
        say(f"\n{coin}, {days} days ahead: {scores[0].n} origins from {first} to {last}")
        say("| model | QLIKE | RMSE | slope | DM to DVOL, corrected | p | to har and DVOL | p | MCS p |")
        say("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        for one in scores:
            cells = " | ".join(
                " | " if np.isnan(test.p_value) else f"{test.against:+.2f} | {test.p_value:.3f}"
                for test in (one, against[one.name])
            )
            say(f"| {one.name} | {one.qlike:.4f} | {100 * one.rmse:.2f} | {one.slope:.2f} | {cells} "
                f"| {one.set_p:.2f} |")  # fmt: skip


def main() -> None:
    """Read, forecast and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--term", action="store_true", help="the term structure of recorded chains alone")
    asked = parser.parse_args()
    data = asked.data
    for name, file, clock_until, index in MARKETS:
        say(f"\n# {name}")
        prices = load_prices(data / "prices" / file)
        midnight = int(prices.ts_ns[-1]) // NS_PER_DAY * NS_PER_DAY
        history = daily_history(prices.ts_ns, prices.close, origin_ns=midnight)
        early = prices.ts_ns < parse_time(clock_until)
        clock = fit_clock(prices.ts_ns[early], prices.close[early])
        timed = daily_history(prices.ts_ns, prices.close, origin_ns=midnight, clock=clock)
        implied = implied_variance(data, index, history.end_ns)
        if asked.term:
            score_term(name, history, timed, implied, term_structure(data, name, history.end_ns))
            continue
        for days, table in forecasts(history, timed, implied).items():
            score(history, table, days)
        densities(timed)
        premium(data, index, prices.ts_ns, prices.close)
    if not asked.term:
        sampling(data)


if __name__ == "__main__":
    main()
