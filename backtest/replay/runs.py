"""What a run leaves: its episodes, and all that a report needs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from gammacore.attribution import Attribution
from gammacore.config import Config
from gammacore.contracts import Settlement
from gammacore.desk import Desk
from gammacore.episode import Episode
from gammacore.expansion import Method

from .explainer import Explainer
from .liquidation import Liquidation
from .tape import Settled, Tape

__all__ = ["EpisodeRun", "Run"]


class EpisodeRun:
    """An episode that ended, or was carried at marks, and what it traded on.

    Attributes
    ----------
    episode : Episode
    first, last : int
        Entries of the tape at which it began and ended.
    """

    def __init__(self, episode: Episode, tape: Tape, last: int, explainer: Explainer) -> None:
        self.episode, self.last = episode, last
        self.first = int(tape.ts_ns.searchsorted(episode.entry_ns, side="right")) - 1
        self._explainer = explainer

    @cached_property
    def attribution(self) -> Attribution:
        """Its explanation, worked out when first asked for: a sweep never asks."""
        return self._explainer.explain(self.episode, self.last)

    def explained(self, method: Method) -> Attribution:
        """Its explanation by one method, worked out anew."""
        return self._explainer.explain(self.episode, self.last, method)


class Run(NamedTuple):
    """Everything a report needs.

    Attributes
    ----------
    episode_runs : list of EpisodeRun
        Episodes that traded, in order of entry; one still open at the end is carried at marks.
    skipped : int
        Episodes left out: fewer chains than ``entry.min_snapshots``, or unfinished and dropped.
    deliveries : dict of expiry_ns to Settled
    missing_quotes : int
        Orders that found no quote.
    engine : str
        ``compiled``, or ``desk`` and why.
    liquidations : list of Liquidation
        Rounds in which the exchange took positions, where ``size.equity`` says what the account has.
    residual, book : EpisodeRun or None
        Of a book, see :class:`gammacore.netting.NettedPortfolio`.
    recorded : dict or None
        Hedges worked against a recorded book, and what was not filled through.
    options : dict or None
        Legs of options that rested, see :meth:`OptionOrders.told`; None where all take at once.
    """

    config: Config
    tape: Tape
    desk: Desk
    episode_runs: list[EpisodeRun]
    skipped: int
    deliveries: dict[int, Settled]
    missing_quotes: int
    engine: str
    residual: EpisodeRun | None = None
    book: EpisodeRun | None = None
    recorded: dict[str, int] | None = None
    options: dict[str, int] | None = None
    liquidations: Sequence[Liquidation] = ()

    @property
    def traded(self) -> list[EpisodeRun]:
        """What was really traded: by the episodes, or by the book."""
        return self.episode_runs if self.book is None else [self.book]

    @property
    def native(self) -> int:
        """Place of the settlement currency in a Money: 0 the coin, 1 USD."""
        return 0 if self.tape.settlement is Settlement.INVERSE else 1

    @property
    def accounts(self) -> list[EpisodeRun]:
        """What sums to the profit of the whole: the episodes, and the residual of a book."""
        return self.episode_runs + ([] if self.residual is None else [self.residual])
