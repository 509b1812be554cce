"""One episode walked along a path: prices, holdings and lines at every point of its life."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property, partial
from typing import Protocol

import numpy as np

from gammacore import _core, _replay
from gammacore.array_types import Array, Floats, Ints
from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.episode import Capital, Episode, HedgeFills
from gammacore.expansion import MODEL_LINES, Method, model_lines
from gammacore.tolerances import DUST
from gammacore.valuation import same_vols, sensitivities, value
from gammacore.volatility.clock import VarianceClock

__all__ = ["LINES", "VEGA_PARTS", "Lines", "Path", "Smiles", "Walk", "points_at", "slippage"]

LINES = (
    *MODEL_LINES,
    "hedge",
    "basis",
    "lots",
    "fees",
    "funding",
    "spread",
    "numeraire",
    "rounding",
    "unexplained",
)
VEGA_PARTS = ("level", "term", "skew", "moneyness")  # of fitted smiles; the rest is what they leave
_HELD = [LINES.index(name) for name in ("hedge", "basis", "lots", "funding")]
_COSTS = [LINES.index(name) for name in ("fees", "spread")]
_Steps = tuple[Floats, Floats, float | Floats, Floats]  # forward, years, volatility, rate
Lines = dict[str, Floats]


class Path(Protocol):
    """What attribution needs of a tape; i..j are entries."""

    ts_ns: Ints
    index: Floats
    owed: Floats

    def forward(self, expiry_ns: int, i: int, j: int) -> Floats: ...  # noqa: D102
    def underlying(self, expiry_ns: int, i: int, j: int) -> Floats: ...  # noqa: D102
    def forward_later(self, expiry_ns: int, i: int, ts_ns: int) -> float: ...  # noqa: D102
    def years(self, expiry_ns: int, ts_ns: Ints) -> Floats: ...  # noqa: D102
    def vols(self, option: Option, i: int, j: int) -> float | Floats: ...  # noqa: D102  # one if all are the same
    def recorded_marks(self, option: Option, i: int, j: int) -> Floats: ...  # noqa: D102
    def published_marks(self, option: Option, i: int, j: int) -> tuple[Ints, Floats]: ...  # noqa: D102
    def future_price(self, instrument: Future | Perpetual, i: int, j: int) -> Floats: ...  # noqa: D102
    def spot_at_delivery(self, expiry_ns: int, i: int) -> float: ...  # noqa: D102


class Smiles(Protocol):
    """What the parts of vega need of fitted smiles; i..j are entries."""

    def moved(self, option: Option, i: int, j: int) -> Floats:
        """Add up the moves of an option's volatility, a part a column; last 1 where no smile is known."""
        ...


def points_at(axis_ns: Ints, ts_ns: Ints) -> Ints:
    """Return the last points at or before some times."""
    return axis_ns.searchsorted(ts_ns, side="right") - 1


def _sums(points: Ints, amounts: Floats, size: int) -> Floats:
    """Sum of the amounts at each point."""
    return np.bincount(points, amounts, size).astype(np.float64, copy=False)


class Walk:
    """Arrays over the entries of one episode; a delivery adds one more point."""

    def __init__(
        self, episode: Episode, path: Path, first: int, last: int, clock: VarianceClock | None = None
    ) -> None:
        self.episode, self.path, self.clock = episode, path, clock
        self.inverse = episode.hedge.instrument.settlement is Settlement.INVERSE
        self.i, self.j = first, last + 1
        self.hedges = episode.hedge_fills()
        self._lay_out(path.ts_ns[self.i : self.j])
        self._known: dict[tuple[int, int], tuple[Floats, Floats]] = {}

    def _lay_out(self, ts: Ints) -> None:
        """Find the points: every entry, each delivery, and an exit between two entries.

        A life of one entry gets a step of no length. ``added`` are the points that are no entries, with the
        expiry that is delivered there or 0, ``ends`` its point.
        """
        episode, last_ns = self.episode, int(ts[-1])
        times = sorted({*episode.delivered, *(stop for stop in episode.stops if stop > ts[0])})
        traded_ns = max((fill.ts_ns for fill in episode.option_fills()), default=0)
        over = bool(times) and not episode.open and times[-1] >= max(traded_ns, last_ns)
        deliveries = times
        self.tail = not over and (traded_ns > last_ns or len(ts) == 1)  # marks of the last entry hold there
        if self.tail:
            times = [*times, max(last_ns, traded_ns)]
        self._extra = [int(ts.searchsorted(at, side="right")) + n for n, at in enumerate(times)]
        self._extra_ns, self._size = times, len(ts) + len(times)
        self.added = list(zip(self._extra, [*deliveries, *([0] * self.tail)], strict=True))
        self.ends = {expiry_ns: point for point, expiry_ns in self.added if expiry_ns in episode.delivered}

    def forget(self) -> None:
        """Let go of what was worked out; it is worked out again when it is asked for.

        The memory is that of the next episode then: fresh one costs more than the sums.
        """
        for name in ("ts", "index", "hedge_prices", "points", "at"):
            self.__dict__.pop(name, None)
        self._known.clear()

    @cached_property
    def ts(self) -> Ints:
        """Time of each point."""
        ts: Ints = self._shown(self.path.ts_ns[self.i : self.j])
        for point, at in zip(self._extra, self._extra_ns, strict=True):
            ts[point] = at
        return ts

    @cached_property
    def index(self) -> Floats:
        """USD per coin at each point."""
        index: Floats = self._shown(self.path.index[self.i : self.j])
        for point, expiry_ns in self.added:
            if expiry_ns:
                index[point] = self.path.spot_at_delivery(expiry_ns, self.i + self._entry(point))
        return index

    @cached_property
    def points(self) -> Ints:
        """Points of the executions of the hedge."""
        return points_at(self.ts, self.hedges.ts_ns)

    def _entry(self, point: int) -> int:
        """Entry that a point shows, from the first: one that was added shows the entry before it."""
        return point - bisect_right(self._extra, point)

    @cached_property
    def at(self) -> Ints:
        """Entry that each point shows."""
        at = np.arange(self._size)
        for point in self._extra:
            at[point:] -= 1
        return at

    @property
    def forward(self) -> Floats:
        """Forward at the entries; a book and its residual are held against the index."""
        if self.episode.number < 0:
            return self.path.index[self.i : self.j]
        return self.path.forward(self.episode.expiry_ns, self.i, self.j)

    def forwards(self, expiry_ns: int, start: int = 0, end: int | None = None) -> Floats:
        """Forward of an expiry at points up to its delivery, of the average that it delivers at."""
        end = self._size - 1 if end is None else end
        values = self._seen(start, end, partial(self.path.forward, expiry_ns))
        for point, delivered_ns in self.added:
            if not start <= point <= end:
                continue
            if delivered_ns == expiry_ns and expiry_ns in self.episode.delivered:
                values[point - start] = self.episode.delivered[expiry_ns]
            else:
                entry = self.i + self._entry(point)
                later = self.path.forward_later(expiry_ns, entry, int(self.ts[point]))
                values[point - start] = later * (self.index[point] / self.path.index[entry])
        return values

    def _seen(self, start: int, end: int, values: Callable[[int, int], Floats]) -> Floats:
        """Values of the path at points from one to another; what was added shows the entry before it."""
        return self._shown(values(self.i + self._entry(start), self.i + self._entry(end) + 1), start, end)

    def _shown(self, values: Array, start: int = 0, end: int | None = None) -> Array:
        """Bring values of entries to the points that show them; they stay what they are if none was added."""
        end = self._size - 1 if end is None else end
        added = [point - start for point in self._extra if start < point <= end]
        return _core.repeated(values, added) if added else values

    @cached_property
    def hedge_prices(self) -> tuple[Floats, Floats]:
        """Mark of the hedge, and the forward that it is held against: of the last expiry.

        A perpetual hedges the forward as it trades, of which the average that options deliver at moves
        only a part; the expiry's own future delivers at that average, too.
        """
        instrument, expiry_ns = self.episode.hedge.instrument, self.episode.expiry_ns
        if self.episode.number < 0:
            return self.index, self.index
        if type(instrument) is not Perpetual:
            assert isinstance(instrument, Future)
            forwards = self.forwards(expiry_ns)
            same = instrument.expiry_ns == expiry_ns
            return forwards if same else self.forwards(instrument.expiry_ns), forwards
        traded = self._shown(self.path.underlying(expiry_ns, self.i, self.j))
        for point, _ in self.added:
            entry = self.i + self._entry(point)
            traded[point] = self.index[point] * traded[point] / self.path.index[entry]
        return self.index, traded

    def _end(self, option: Option) -> int:
        """Point up to which an option exists."""
        return self.ends.get(option.expiry_ns, self._size - 1)

    def _terms(self, option: Option, start: int) -> tuple[Floats, Floats]:
        """Forward and years from a point to the option's end."""
        end, key = self._end(option), (option.expiry_ns, start)
        if key not in self._known:  # the same for a call and a put
            forward = self.forwards(option.expiry_ns, start, end)
            self._known[key] = forward, self.path.years(option.expiry_ns, self.ts[start : end + 1])
        return self._known[key]

    def _vols(self, option: Option, start: int) -> float | Floats:
        """Volatility from a point to the option's end; one number where it does not change."""
        end = self._end(option)
        vols = self.path.vols(option, self.i + self._entry(start), self.i + self._entry(end) + 1)
        return vols if isinstance(vols, float) else self._shown(vols, start, end)

    def _case(self, option: Option, start: int) -> tuple[Floats, Floats, Floats]:
        """Forward, years and volatility from a point to the option's end."""
        (forward, years), vols = self._terms(option, start), self._vols(option, start)
        return forward, years, np.full(len(forward), vols) if isinstance(vols, float) else vols

    def sums(self) -> Floats:
        """Totals of all lines but the rounding, by Taylor expansion; settlement currency and the other."""
        rate = self.index if self.inverse else 1.0 / self.index
        sums = np.zeros((len(LINES), 2))
        sums[: len(MODEL_LINES)], sums[LINES.index("unexplained")] = self._option_sums(rate)
        sums[_HELD], sums[_COSTS] = self._hedge_sums(rate), self._cost_sums(rate)
        # The numeraire's line, sum of equity times the rate's move, summed by parts.
        native, other = (math.fsum(column) for column in sums.T.tolist())
        gained = sum(part.amount * (rate[-1] - at) for part, at in self._put_in(rate))
        sums[LINES.index("numeraire")] = 0.0, gained + native * rate[-1] - other
        return sums

    @property
    def _option_points(self) -> list[int]:
        """Points of the executions of options."""
        return [self._point(fill.ts_ns) for fill in self.episode.option_fills()]

    def _point(self, ts_ns: int) -> int:
        """Last point at or before a time."""
        return int(self.ts.searchsorted(ts_ns, side="right")) - 1

    def _holdings(self) -> list[tuple[Option, int, float]]:
        """Options with the point from which an amount of them was held to the end, closings negative."""
        held: dict[tuple[Option, int], float] = {}
        for fill, point in zip(self.episode.option_fills(), self._option_points, strict=True):
            assert isinstance(fill.instrument, Option)
            if point < self._end(fill.instrument):  # what is closed at the very end has no step of its own
                key = fill.instrument, max(point, 0)
                held[key] = held.get(key, 0.0) + fill.amount
        return [(option, start, amount) for (option, start), amount in held.items()]

    def _option_sums(self, rate: Floats) -> tuple[Floats, Floats]:
        """Sum the lines of the options: a call and a put of one strike and volatility are expanded once.

        They differ by a position that is linear in the price of the hedge, by parity.
        """
        seen: list[tuple[Option, int, float | Floats, Floats]] = []
        lines, beyond = np.zeros((len(MODEL_LINES), 2)), np.zeros(2)
        for option, start, amount in self._holdings():
            vols, rates = self._vols(option, start), rate[start : self._end(option) + 1]
            path = *self._terms(option, start), vols, rates
            same = (
                e
                for e in seen
                if (e[0].expiry_ns, e[0].strike, e[1]) == (option.expiry_ns, option.strike, start)
                and same_vols(e[2], vols)
            )
            expanded = next(same, None)
            if expanded is None:
                expanded = option, start, vols, self._expand(option, start, path)
                seen.append(expanded)
            other, _, _, sums = expanded
            # A call less its put is F - K, in coin 1 - K X.
            linear = (option.kind - other.kind) / 2 * (-option.strike if self.inverse else 1.0)
            lines += amount * sums[:-1]
            lines[0] += amount * linear * sums[-1]
            beyond += amount * self._beyond(option, start, path)
        return lines, beyond

    def _expand(self, option: Option, start: int, path: _Steps) -> Floats:
        """Sum the lines of the model, and the move of the price that the hedge is linear in."""
        sums = _core.taylor_sums(self.inverse, option.kind, option.strike, *path)
        if self.clock is not None:
            more = self._sooner(option, start, self._case(option, start))
            whole = np.array([more.sum(), more @ path[-1][1:]])
            sums[MODEL_LINES.index("theta")] += whole
            sums[MODEL_LINES.index("vega")] -= whole
        *_, last = MODEL_LINES  # the model's whole move, less what the others explain
        higher = MODEL_LINES.index(last)
        sums[higher] -= sums[:higher].sum(axis=0)
        return sums

    def _sooner(self, option: Option, start: int, case: tuple[Floats, Floats, Floats]) -> Floats:
        """Theta of each step of one coin on the clock less that by the calendar; vega has it less."""
        ts = self.ts[start : start + len(case[0])]
        if self.clock is None:
            return np.zeros(len(ts) - 1)
        left, passed = option.expiry_ns - ts[:-1], np.diff(ts)
        on_clock = self.clock.elapsed(ts[:-1], ts[1:]) * left
        by_calendar = self.clock.elapsed(ts[:-1], option.expiry_ns) * passed
        speed = np.divide(on_clock, by_calendar, out=np.ones(len(passed)), where=(passed > 0) & (left > 0))
        theta = sensitivities(option, *(column[:-1] for column in case)).theta
        return np.asarray(theta * -np.diff(case[1]) * (speed - 1.0))

    def _beyond(self, option: Option, start: int, path: _Steps) -> Floats:
        """Sum over steps how recorded marks, where there are any, moved beyond the model."""
        first, last = self.i + self._entry(start), self._end(option)
        entries, marks = self.path.published_marks(option, first, self.i + self._entry(last) + 1)
        k = entries - self.i
        for point in self._extra:
            k[k >= point] += 1
        k, marks = k[k >= start], marks[k >= start]
        if self.tail and last == self._size - 1 and k.size and k[-1] == last - 1:
            k, marks = np.append(k, last), np.append(marks, marks[-1])
        return _core.mark_sums(self.inverse, option.kind, option.strike, *path, k - start, marks)

    def _hedge_sums(self, rate: Floats) -> Floats:
        owed = self._owed() if type(self.episode.hedge.instrument) is Perpetual else None
        fills = self.hedges.amount, self.hedges.excess
        return _replay.held_sums(self.inverse, *self.hedge_prices, owed, rate, self.points, *fills)

    def _cost_sums(self, rate: Floats) -> Floats:
        hedges = self.hedges.amount, self.hedges.price, self.hedges.mark, self.hedges.fee
        (fees, fees_other), (spread, other) = _replay.cost_sums(
            self.inverse, rate, self.points, *hedges
        ).tolist()
        for point, fee, slipped in self._option_costs():
            at = rate.item(min(max(point, 1), len(rate) - 1))
            fees, fees_other = fees - fee, fees_other - fee * at
            spread, other = spread + slipped, other + slipped * at
        return np.array([[fees, fees_other], [spread, other]])

    def option_lines(self, method: Method) -> Lines:
        """Lines of all options held, settlement currency."""
        lines = {name: np.zeros(len(self.ts) - 1) for name in LINES}
        for option, start, amount in self._holdings():
            case, last = self._case(option, start), self._end(option)
            model = value(option, *case)
            for name, part in model_lines(option, *case, model, method).items():
                lines[name][start:last] += amount * part
            more = amount * self._sooner(option, start, case)
            lines["theta"][start:last] += more
            lines["vega"][start:last] -= more
            part = self._seen(start, last, partial(self.path.recorded_marks, option))
            for point, _ in self.added:
                if start <= point <= last and not (self.tail and point == len(self.ts) - 1):
                    part[point - start] = np.nan
            beyond = np.where(np.isfinite(part), part - model, 0.0)
            lines["unexplained"][start:last] += amount * np.diff(beyond)
        return lines

    def vega_sums(self, smiles: Smiles) -> tuple[Floats, float, float]:
        """Sum what each part of the smiles brought: vega times its change.

        Returns
        -------
        sums : array, shape (parts, 2)
            In the settlement currency and in the other.
        unknown_ns, held_ns : float
            Time for which options were held without a smile, and at all.
        """
        rate = self.index if self.inverse else 1.0 / self.index
        sums, unknown_ns, held_ns = np.zeros((len(VEGA_PARTS), 2)), 0.0, 0.0
        for option, held in self._held_over().items():
            (steps,) = np.nonzero(np.abs(held) > DUST)
            start, end = int(steps[0]), int(steps[-1]) + 1
            moved = self._seen(start, end, partial(smiles.moved, option))
            change = held[start:end, None] * np.diff(moved[:, :-1], axis=0)
            (k,) = np.nonzero(change.any(axis=1))
            case = self._case(option, start)
            brought = np.zeros(change.shape)
            brought[k] = sensitivities(option, *(column[k] for column in case)).vega[:, None] * change[k]
            if self.clock is not None:
                sooner = self._sooner(option, start, case)[: end - start]
                brought[:, VEGA_PARTS.index("term")] -= held[start:end] * sooner * (moved[:-1, -1] == 0.0)
            sums += np.stack([brought.sum(axis=0), rate[start + 1 : end + 1] @ brought], axis=1)
            lasted = np.diff(self.ts[start : end + 1]) * (np.abs(held[start:end]) > DUST)
            unknown_ns, held_ns = unknown_ns + float(lasted @ moved[:-1, -1]), held_ns + float(lasted.sum())
        return sums, unknown_ns, held_ns

    def _held_over(self) -> dict[Option, Floats]:
        """Amount of each option held over every step, for those that are held over any."""
        held: dict[Option, Floats] = {}
        for option, start, amount in self._holdings():
            over = held.setdefault(option, np.zeros(len(self.ts) - 1))
            over[start : self._end(option)] += amount
        return {option: over for option, over in held.items() if (np.abs(over) > DUST).any()}

    def _held(self) -> tuple[Floats, Floats]:
        """Hedge amount over each step (after the fills at its start), and its excess over the wish."""
        steps = len(self.ts) - 1
        amounts = _sums(self.points, self.hedges.amount, steps + 1)
        last = np.searchsorted(self.points, np.arange(steps), side="right") - 1
        excess = np.append(self.hedges.excess, 0.0)[last]  # before the first hedge: the zero at the end
        return np.cumsum(amounts)[:-1], excess

    def _owed(self) -> Floats:
        return self._shown(self.path.owed[self.i : self.j])

    def hedge_lines(self) -> Lines:
        """Hedge, mark to mark, in three parts, and funding received."""
        held, excess = self._held()
        price, forward = self.hedge_prices
        if self.inverse:
            move, with_forward = -np.diff(1.0 / price), -np.diff(1.0 / forward) * (forward / price)[:-1]
        else:
            move, with_forward = np.diff(price), np.diff(forward)
        wanted = held - excess
        lines = {
            "hedge": wanted * with_forward,
            "basis": wanted * (move - with_forward),
            "lots": excess * move,
        }
        if type(self.episode.hedge.instrument) is Perpetual:
            lines["funding"] = -held * np.diff(self._owed())
        return lines

    def _option_costs(self) -> list[tuple[int, float, float]]:
        """Points, fees and slippage of the fills of options, and of deliveries."""
        fills, fees = self.episode.option_fills(), self.episode.delivery_fees
        costs = [(fill.fee, fill.amount * (fill.mark - fill.price)) for fill in fills]
        traded = [(point, *cost) for point, cost in zip(self._option_points, costs, strict=True)]
        return traded + [(self._point(ts_ns), fee, 0.0) for ts_ns, fee in fees.items()]

    def _costs(self) -> tuple[Ints, Floats, Floats]:
        """Points, fees and slippage of all fills, those of deliveries last."""
        hedges, options = self.hedges, np.array(self._option_costs()).reshape(-1, 3)
        points = np.concatenate([self.points, options[:, 0].astype(np.int64)])
        hedged = hedges.amount * slippage(hedges, self.inverse)
        return points, -np.concatenate([hedges.fee, options[:, 1]]), np.concatenate([hedged, options[:, 2]])

    def cost_lines(self) -> tuple[Floats, Floats]:
        """Fees and spread of all fills, and the fees of the delivery."""
        points, fees, slipped = self._costs()
        return self._spread_out(points, fees), self._spread_out(points, slipped)

    def _spread_out(self, points: Ints, amounts: Floats) -> Floats:
        """Amounts by the step that ends at their point; those of the entry belong to the first step."""
        steps = len(self.ts) - 1
        return _sums(np.clip(points - 1, 0, steps - 1), amounts, steps)

    def convert(self, native: Lines) -> Lines:
        """Lines in the other currency: each step's at its final rate, the rest to ``numeraire``."""
        rate = self.index if self.inverse else 1.0 / self.index
        # Costs of the entry itself were paid at the first rate, those of step k at its last.
        other = {name: line * rate[1:] for name, line in native.items()}
        gained = np.sum(list(native.values()), axis=0)
        equity = np.concatenate([[0.0], np.cumsum(gained)[:-1]])
        for part, _ in self._put_in(rate):
            equity[max(self._point(part.ts_ns), 0) :] += part.amount
        other["numeraire"] = equity * np.diff(rate)
        return other

    def _put_in(self, rate: Floats) -> list[tuple[Capital, float]]:
        """Capital, and the rate that it came at."""
        put_in = self.episode.capital(float(self.index[0]))
        return [(part, part.rate if self.inverse else 1.0 / part.rate) for part in put_in]


def slippage(fills: HedgeFills, inverse: bool) -> Floats:
    """Profit per unit of amount of having filled at the price rather than at the mark."""
    return 1.0 / fills.price - 1.0 / fills.mark if inverse else fills.mark - fills.price
