"""Where the money came from: the profit of one episode, step by step and line by line.

The value of each option is followed from one moment of the tape to the next and expanded
in the price that the hedge is linear in (see :class:`gammacore.valuation.Sensitivities`):

=============  ==============================================================================
delta          first order in the forward (in 1/forward for inverse options)
gamma          second order in it
theta          passage of time
vega           change of the mark volatility
higher_order   what the model moved beyond the four lines above
unexplained    what the recorded mark moved beyond the model
hedge          futures, mark to mark
spread         fills away from the mark, options and hedges
fees           trades and deliveries
funding        perpetual funding, negative when paid
numeraire      revaluation of the accumulated equity in the other currency
rounding       cash is kept to 1e-8; bounded by the number of postings, or an error is raised
=============  ==============================================================================

The lines are computed from prices and fills, the total comes from the ledger. They must
meet within the rounding of the ledger's postings; ``rounding`` is that difference.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.daycount import NS_PER_YEAR
from gammacore.errors import LedgerError
from gammacore.events import Fill
from gammacore.ledger import UNIT, Account, Money
from gammacore.portfolio import Episode
from gammacore.valuation import sensitivities, value

__all__ = ["LINES", "Attribution", "Path", "attribute"]

LINES = (
    "delta",
    "gamma",
    "theta",
    "vega",
    "higher_order",
    "hedge",
    "fees",
    "funding",
    "spread",
    "numeraire",
    "rounding",
    "unexplained",
)
REVALUATIONS = 2  # of three assets each, in the life of an episode
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Path(Protocol):
    """What attribution needs of a tape; i..j are entries."""

    ts_ns: Ints
    index: Floats
    interest: Floats

    def forward(self, expiry_ns: int, i: int, j: int) -> Floats: ...  # noqa: D102
    def vol(self, option: Option, i: int, j: int) -> Floats: ...  # noqa: D102
    def recorded_marks(self, option: Option, i: int, j: int) -> Floats: ...  # noqa: D102
    def future_price(self, instrument: Future | Perpetual, i: int, j: int) -> Floats: ...  # noqa: D102


class Attribution(NamedTuple):
    """Lines of one episode.

    Attributes
    ----------
    start : int
        First entry of the tape; step k runs from entry ``start + k`` to the next.
    coin, usd : dict of line to array
        Profit per step; the cost of the fills at an entry belongs to the step that ends there
        (the first step for the entry itself).
    totals : dict of line to Money
    forward : array
        Forward at the entries, for realised volatility.
    """

    start: int
    coin: dict[str, Floats]
    usd: dict[str, Floats]
    totals: dict[str, Money]
    forward: Floats


def attribute(episode: Episode, path: Path, last: int) -> Attribution:
    """Split an episode's profit into lines.

    Parameters
    ----------
    episode : Episode
        Closed, or carried at marks at entry ``last`` of the path.
    path : Path
        The market.
    last : int
        Entry at which the episode ended (the last one at or before its last fill or delivery).

    Returns
    -------
    Attribution

    Raises
    ------
    LedgerError
        If lines and ledger differ by more than rounding can explain.
    """
    first = int(np.searchsorted(path.ts_ns, episode.entry_ns, side="right")) - 1
    walk = _Walk(episode, path, first, last)
    native = walk.option_lines()
    native["hedge"] = walk.hedge_line()
    native["funding"] = walk.funding_line()
    native["fees"], native["spread"] = walk.cost_lines()
    other = walk.convert(native)
    coin, usd = (native, other) if walk.inverse else (other, native)
    return _close(episode, Attribution(first, coin, usd, {}, walk.forward))


class _Walk:
    """Arrays over the entries of one episode; a delivery adds one more point."""

    def __init__(self, episode: Episode, path: Path, first: int, last: int) -> None:
        self.episode, self.path = episode, path
        self.inverse = episode.hedge.instrument.settlement is Settlement.INVERSE
        self.i, self.j = first, last + 1
        self.delivered = bool(np.isfinite(episode.delivery_price))
        self.forward = path.forward(episode.expiry_ns, self.i, self.j)
        ts = path.ts_ns[self.i : self.j]
        index = path.index[self.i : self.j]
        # A delivery is one more point; a life of one entry gets a step of no length.
        self.extended = self.delivered or len(ts) == 1
        self.final_forward = episode.delivery_price if self.delivered else float(self.forward[-1])
        self.ts = self._extend(ts, episode.expiry_ns if self.delivered else ts[-1])
        self.index = self._extend(index, index[-1])

    def _extend(self, values: npt.NDArray[Any], final: Any) -> npt.NDArray[Any]:
        return np.append(values, final) if self.extended else values

    def option_lines(self) -> dict[str, Floats]:
        """Lines of all options held, settlement currency."""
        steps = len(self.ts) - 1
        lines = {name: np.zeros(steps) for name in LINES}
        tau = np.maximum(self.episode.expiry_ns - self.ts, 0) / NS_PER_YEAR
        forward = self._extend(self.forward, self.final_forward)
        for option, amount in self.episode.entered.items():
            self._add_option(lines, option, amount, forward, tau)
        return lines

    def _add_option(
        self, lines: dict[str, Floats], option: Option, amount: float, forward: Floats, tau: Floats
    ) -> None:
        vol = self.path.vol(option, self.i, self.j)
        vol = self._extend(vol, vol[-1])
        model = value(option, forward, tau, vol)
        recorded = self._extend(self.path.recorded_marks(option, self.i, self.j), np.nan)
        mark = np.where(np.isfinite(recorded), recorded, model)
        at = sensitivities(option, forward[:-1], tau[:-1], vol[:-1])
        axis = 1.0 / forward if self.inverse else forward
        move = np.diff(axis)
        parts = {
            "delta": at.delta * move,
            "gamma": 0.5 * at.gamma * move**2,
            "theta": at.theta * -np.diff(tau),
            "vega": at.vega * np.diff(vol),
        }
        explained = np.zeros(len(move))
        for name, part in parts.items():
            lines[name] += amount * part
            explained += part
        moved = np.diff(model)
        lines["higher_order"] += amount * (moved - explained)
        lines["unexplained"] += amount * (np.diff(mark) - moved)

    def _held(self) -> Floats:
        """Hedge amount over each step (after the fills at its start)."""
        hedges = [fill for fill in self.episode.fills if not isinstance(fill.instrument, Option)]
        amounts = np.zeros(len(self.ts))
        np.add.at(amounts, self._points([f.ts_ns for f in hedges]), np.array([f.amount for f in hedges]))
        return np.cumsum(amounts)[:-1]

    def _points(self, ts_ns: list[int]) -> Ints:
        """Points at which fills take place; those of a delivery come after the last entry."""
        return np.searchsorted(self.ts, np.array(ts_ns, dtype=np.int64), side="right") - 1

    def hedge_line(self) -> Floats:
        """Hedge, mark to mark."""
        instrument = self.episode.hedge.instrument
        price = self.path.future_price(instrument, self.i, self.j)
        price = self._extend(price, price[-1] if type(instrument) is Perpetual else self.final_forward)
        return self._held() * (-np.diff(1.0 / price) if self.inverse else np.diff(price))

    def funding_line(self) -> Floats:
        """Funding received."""
        if type(self.episode.hedge.instrument) is not Perpetual:
            return np.zeros(len(self.ts) - 1)
        interest = self.path.interest[self.i : self.j]
        return -self._held() * np.diff(self._extend(interest, interest[-1]))

    def cost_lines(self) -> tuple[Floats, Floats]:
        """Fees from the ledger's own postings; spread from the fills."""
        native = 0 if self.inverse else 1
        paid = [entry for entry in self.episode.ledger.entries if entry.debit is Account.FEES]
        fees = self._spread_out([e.ts_ns for e in paid], [-(e.coin, e.usd)[native] * UNIT for e in paid])
        fills = self.episode.fills
        return fees, self._spread_out([f.ts_ns for f in fills], [self._slippage(f) for f in fills])

    def _slippage(self, fill: Fill) -> float:
        """Profit of having filled at the price rather than at the mark."""
        if self.inverse and not isinstance(fill.instrument, Option):
            return fill.amount * (1.0 / fill.price - 1.0 / fill.mark)
        return fill.amount * (fill.mark - fill.price)

    def _spread_out(self, ts_ns: list[int], amounts: list[float]) -> Floats:
        """Amounts by the step that ends at their point; those of the entry belong to the first step."""
        steps = np.zeros(len(self.ts) - 1)
        np.add.at(steps, np.clip(self._points(ts_ns) - 1, 0, len(steps) - 1), np.array(amounts))
        return steps

    def convert(self, native: dict[str, Floats]) -> dict[str, Floats]:
        """Lines in the other currency: each step's at its final rate, the rest to ``numeraire``."""
        rate = self.index if self.inverse else 1.0 / self.index
        # Costs of the entry itself were paid at the first rate, those of step k at its last.
        other = {name: line * rate[1:] for name, line in native.items()}
        gained = np.sum(list(native.values()), axis=0)
        capital = -self.episode.ledger.native_balance(Account.CAPITAL)
        equity = capital + np.concatenate([[0.0], np.cumsum(gained)[:-1]])
        other["numeraire"] = equity * np.diff(rate)
        return other


def _close(episode: Episode, parts: Attribution) -> Attribution:
    """Totals of the lines, with the ledger's rounding as the last one."""
    profit = episode.ledger.profit()
    sums = {name: Money(float(parts.coin[name].sum()), float(parts.usd[name].sum())) for name in LINES}
    coin = profit.coin - float(np.sum([m.coin for m in sums.values()]))
    usd = profit.usd - float(np.sum([m.usd for m in sums.values()]))
    _check_rounding(episode, coin, usd)
    parts.coin["rounding"][-1] += coin
    parts.usd["rounding"][-1] += usd
    sums["rounding"] = Money(coin, usd)
    return parts._replace(totals=sums)


def _check_rounding(episode: Episode, coin: float, usd: float) -> None:
    """Refuse a gap that the rounding of each posting to 1e-8 cannot have left."""
    postings = episode.ledger.roundings + 3 * REVALUATIONS
    rate, slack = episode.ledger.rate, 1e-9
    native = 0.5 * UNIT * postings + slack  # each posting is rounded by half a unit at most
    if episode.hedge.instrument.settlement is Settlement.INVERSE:
        bounds = native, native * max(rate, 1.0) + UNIT * postings  # each is converted, and rounded again
    else:
        bounds = native / min(rate, 1.0) + UNIT * postings, native
    if abs(coin) > bounds[0] or abs(usd) > bounds[1]:
        raise LedgerError(
            f"episode {episode.number}: lines and ledger differ by {coin:.3g} coin, {usd:.3g} USD, "
            f"more than {postings} postings can round"
        )
