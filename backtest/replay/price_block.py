"""Runs of bars of a tape as what the desk and the compiled hedger price in one go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from gammacore.array_types import Floats
from gammacore.contracts import Future, Option, Perpetual
from gammacore.daycount import SETTLEMENT_WINDOW_NS
from gammacore.events import Ticker
from gammacore.settlement import clock_factor
from gammacore.valuation import Exposure, exposure, parity, parity_delta, same_vols, settlement_weight

from .tape import Tape


class Now(msgspec.Struct, frozen=True):
    """What a ledger looks at when a trade is booked."""

    ts_ns: int
    index: float
    interest: float


class _Priced(NamedTuple):
    """An option over a run of bars: its own exposure, or by parity that of its call or put."""

    forward: Floats
    vol: float | Floats
    exposure: Exposure
    own: bool


class PriceBlock:
    """Bars i..j of a tape as one view; windows into it share what has been priced.

    Parameters
    ----------
    tape : Tape
    i, j : int
        The run of bars.
    """

    def __init__(self, tape: Tape, i: int, j: int) -> None:
        self._tape, self._run = tape, slice(i, j)
        self._priced: dict[Option, _Priced] = {}
        self._futures: dict[Future | Perpetual, Floats] = {}
        self._deltas: dict[tuple[tuple[tuple[Option, float], ...], bool], Floats] = {}
        self._show(i, j)

    def _show(self, i: int, j: int) -> None:
        self._i, self._j = i, j
        self.ts_ns = self._tape.ts_ns[i:j]
        self._part = slice(i - self._run.start, j - self._run.start)

    def __len__(self) -> int:
        return self._j - self._i

    @property
    def index(self) -> Floats:
        """USD per coin."""
        return self._tape.index[self._i : self._j]

    @property
    def interest(self) -> Floats:
        """Funding accumulator."""
        return self._tape.interest[self._i : self._j]

    @property
    def estimate(self) -> Floats:
        """Volatility estimated from the prices so far."""
        return self._tape.estimate[self._i : self._j]

    @property
    def entry(self) -> int:
        """First entry of the tape that it shows."""
        return self._i

    def window(self, i: int, j: int) -> PriceBlock:
        """Part of the run as a view of its own."""
        part = object.__new__(PriceBlock)
        part._tape, part._run = self._tape, self._run
        part._priced, part._futures, part._deltas = self._priced, self._futures, self._deltas
        part._show(i, j)
        return part

    def bar(self, k: int) -> PriceBlock:
        """Bar ``k`` as a view of its own."""
        return self.window(self._i + k, self._i + k + 1)

    def _price(self, option: Option) -> _Priced:
        """Price an option, once for the whole run."""
        if option not in self._priced:
            tape, run = self._tape, (self._run.start, self._run.stop)
            vol = tape.vols(option, *run)
            other = self._priced.get(msgspec.structs.replace(option, kind=-option.kind))
            if other is not None and same_vols(other.vol, vol):
                self._priced[option] = other._replace(own=not other.own)
            else:
                forward = tape.forward(option.expiry_ns, *run)
                seen = exposure(option, forward, tape.tau(option.expiry_ns, *run), vol)
                self._priced[option] = _Priced(forward, vol, seen, own=True)
        return self._priced[option]

    def future_price(self, instrument: Future | Perpetual) -> Floats:
        """Mark of a hedge instrument."""
        if instrument not in self._futures:
            run = self._run.start, self._run.stop
            self._futures[instrument] = self._tape.future_price(instrument, *run)
        return self._futures[instrument][self._part]

    def forward(self, expiry_ns: int) -> Floats:
        """Forward of an expiry."""
        return self._tape.forward(expiry_ns, self._i, self._j)

    def underlying(self, expiry_ns: int) -> Floats:
        """Forward of an expiry as it trades."""
        return self._tape.underlying(expiry_ns, self._i, self._j)

    def tau(self, expiry_ns: int) -> Floats:
        """Years to expiry."""
        return self._tape.tau(expiry_ns, self._i, self._j)

    def vol(self, option: Option) -> Floats:
        """Mark volatility of an option."""
        vol = self._price(option).vol
        return np.full(len(self), vol) if isinstance(vol, float) else vol[self._part]

    def slope(self, option: Option) -> Floats:
        """Change of its mark volatility with the logarithm of the forward."""
        return self._tape.slope(option, self._i, self._j)

    def exposure(self, option: Option) -> Exposure:
        """Value and deltas of an option."""
        priced, part = self._price(option), self._part
        seen = Exposure(*(column[part] for column in priced.exposure))
        return seen if priced.own else parity(option, priced.forward[part], seen)

    def options_value(self, legs: Mapping[Option, float]) -> Floats:
        """Value of several options, settlement currency."""
        total = np.zeros(len(self))
        for option, amount in legs.items():
            total += amount * self.exposure(option).value
        return total

    def options_delta(self, legs: Mapping[Option, float], plain: bool) -> Floats:
        """Delta of several options, summed once for the whole run."""
        key = (tuple(legs.items()), plain)
        if key not in self._deltas:
            deltas = [(amount, self._delta(option, plain)) for option, amount in legs.items()]
            parts = [delta if amount == 1.0 else amount * delta for amount, delta in deltas]
            self._deltas[key] = sum(parts[1:], parts[0])
        return self._deltas[key][self._part]

    def _delta(self, option: Option, plain: bool) -> Floats:
        """One delta of an option over the whole run."""
        forward, _, seen, own = self._price(option)
        delta: Floats = seen.delta if plain else seen.net_delta
        return delta if own else parity_delta(option, forward, seen, plain=plain)

    def settlement_weight(self, expiry_ns: int) -> Floats | float:
        """Share of the deltas of an expiry that its settlement window has left."""
        if not self._tape.averaging or expiry_ns - self.ts_ns[-1] >= SETTLEMENT_WINDOW_NS:
            return 1.0
        weight: Floats = settlement_weight(expiry_ns, self.ts_ns)
        return weight

    def ticker(self, option: Option, i: int) -> Ticker:
        """Mark volatility and forward of an option at entry ``i``, as a publication."""
        priced, k = self._price(option), i - self._run.start
        ts, index = int(self._tape.ts_ns[i]), float(self._tape.index[i])
        left = option.expiry_ns - ts
        forward = float(self._tape.underlying(option.expiry_ns, i, i + 1)[0])
        factor = clock_factor(left) if self._tape.averaging and left > SETTLEMENT_WINDOW_NS else 1.0
        vol = priced.vol if isinstance(priced.vol, float) else float(priced.vol[k])
        return Ticker(ts, option, forward, index, vol / factor)
