"""Whether chances of a profit came true: by hedge rule, by days to expiry, and recalibrated walk-forward."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gammacore.array_types import Floats
from gammacore.breakeven.calibration import Calibration, Estimated, calibrate, mean_over_weeks, week_of
from gammacore.breakeven.recalibration import Recalibration, recalibration
from gammacore.data.recalibrations import load_recalibration, rule_label
from gammacore.daycount import format_time

from .lives import Lives
from .performance import number

__all__ = ["Later", "RuleCalibration", "by_coin", "calibrate_lives", "headline"]

BUCKETS = ((0.0, 1.5, "1"), (1.5, 3.5, "2-3"), (3.5, 7.5, "4-7"), (7.5, 99.0, "8-14"))  # days to expiry


class Later(NamedTuple):
    """Straddles that a correction was known for, scored with it and without.

    Attributes
    ----------
    straddles, weeks : int
    first_ns : int
        Entry of the first one.
    brier, recalibrated, constant, hindsight : float
        Scores of the chance as told, as corrected, of a constant known at each entry, and of the share that
        paid, which nobody knew.
    gain : Estimated
        Score of that constant less the corrected chance's: above zero the correction beats it.
    """

    straddles: int
    weeks: int
    first_ns: int
    brier: float
    recalibrated: float
    constant: float
    hindsight: float
    gain: Estimated


class RuleCalibration(NamedTuple):
    """One hedge rule of one coin.

    Attributes
    ----------
    lives : Lives
    label : str
        The rule with its parameters.
    whole : Calibration or None
        None without any life.
    by_days : list of (str, Calibration)
        By days to expiry at entry.
    recalibration : Recalibration
        Fitted to these lives.
    later : Later or None
        Scores of that one walk-forward, or of what ``signal.recalibrate`` names;
        None while no correction was known at any entry.
    """

    lives: Lives
    label: str
    whole: Calibration | None
    by_days: list[tuple[str, Calibration]]
    recalibration: Recalibration
    later: Later | None

    @property
    def skilled(self) -> bool | None:
        """Whether chances beat the constant beyond doubt; None while there are too few to say."""
        if self.whole is None or not self.whole.enough:
            return None
        return self.whole.gain.low > 0.0

    def verdict(self) -> str:
        """Say in a sentence or three what came out."""
        whole = self.whole
        if whole is None:
            return "Nothing can be said: no straddle was bought and ended."
        counted = f"{_count(whole.straddles, 'straddle')} in {_count(whole.weeks, 'week')}"
        if self.skilled is None:
            return f"Nothing can be said: {counted} {'is' if whole.straddles == 1 else 'are'} too few."
        scores = (
            f"Brier {_score(whole.brier.value)} against {_score(whole.constant)} of the constant, {counted}"
        )
        if self.skilled:
            first = f"Skill: {scores}."
        elif whole.gain.value > 0.0:
            first = f"No skill shown: {scores}; the difference is within chance."
        else:
            first = f"No skill: {scores}."
        return " ".join((first, self._bias(whole), self._corrected())).strip()

    @staticmethod
    def _bias(whole: Calibration) -> str:
        told = f"It promises {whole.promised:.0%} on average and {whole.paid:.0%} paid"
        if whole.excess.low > 0.0:
            return f"{told}: too much."
        return f"{told}: too little." if whole.excess.high < 0.0 else f"{told}: within chance."

    def _corrected(self) -> str:
        later = self.later
        if later is None:
            return ""
        scores = f"{_score(later.recalibrated)} against {_score(later.constant)} of the constant known then"
        since = f"on {_count(later.straddles, 'later straddle')}"
        if not math.isfinite(later.gain.low):
            return f"Too few straddles to judge its recalibration: {_count(later.straddles, 'later one')}."
        if later.gain.low > 0.0:
            return f"Recalibrated it beats the constant {since}: {scores}."
        if later.gain.high < 0.0:
            return f"Recalibrated it is worse than the constant {since}: {scores}."
        return f"Recalibrated it equals the constant {since}: {scores}."

    def document(self) -> dict[str, Any]:
        """Everything as plain mappings; None for what there is not."""
        later = None if self.later is None else _plain(self.later)
        if later is not None:
            later["first"] = format_time(later.pop("first_ns"))
        return {
            "coin": self.lives.coin,
            "rule": self.label,
            "verdict": self.verdict(),
            "skilled": self.skilled,
            "whole": None if self.whole is None else _plain(self.whole),
            "by_days": {name: _plain(each) for name, each in self.by_days},
            "later": later,
        }


def calibrate_lives(lives: Iterable[Lives]) -> list[RuleCalibration]:
    """Calibrate every rule of every coin."""
    return [_calibrated(one) for one in lives]


def by_coin(found: Sequence[RuleCalibration]) -> dict[str, list[RuleCalibration]]:
    """Group by coin, in order."""
    coins = dict.fromkeys(one.lives.coin for one in found)
    return {coin: [one for one in found if one.lives.coin == coin] for coin in coins}


def headline(found: list[RuleCalibration]) -> str:
    """Return the verdict of the first rule, the configured one, and how many others share it."""
    first = found[0]
    told = f"{first.lives.coin}, {first.label}: {first.verdict()}"
    skilled = sum(one.skilled is True for one in found)
    unknown = sum(one.skilled is None for one in found)
    if len(found) in (1, unknown):
        return told
    more = f"Of {len(found)} rules {skilled} {'has' if skilled == 1 else 'have'} skill"
    return f"{told} {more}" + (f", and {unknown} too few straddles to say." if unknown else ".")


def _calibrated(lives: Lives) -> RuleCalibration:
    fitted = recalibration(lives.probability, lives.paid, lives.entry_ns, lives.end_ns)
    given = load_recalibration(lives.config)  # of other dates, to be scored on these
    days = lives.days
    parts = ((name, lives.take((days > low) & (days <= high))) for low, high, name in BUCKETS)
    return RuleCalibration(
        lives,
        rule_label(lives.config),
        _scored(lives),
        [(name, scored) for name, part in parts if (scored := _scored(part)) is not None],
        fitted,
        _later(lives, fitted if given is None else given),
    )


def _scored(lives: Lives) -> Calibration | None:
    if not len(lives):
        return None
    return calibrate(lives.probability, lives.paid, lives.entry_ns, lives.end_ns)


def _later(lives: Lives, fitted: Recalibration) -> Later | None:
    known = [fitted.at(int(entry)) for entry in lives.entry_ns]
    which = np.array([one is not None for one in known], np.bool_)
    if not which.any():
        return None
    later, used = lives.take(which), [one for one in known if one is not None]
    corrected = np.array(
        [float(one.apply(p)) for one, p in zip(used, later.probability.tolist(), strict=True)]
    )
    constant = np.array([one.constant for one in used])

    def squares(chance: Floats) -> Floats:
        return np.asarray((chance - later.paid) ** 2)

    gain = squares(constant) - squares(corrected)
    return Later(
        len(later),
        len(np.unique(week_of(later.entry_ns))),
        int(later.entry_ns[0]),
        float(squares(later.probability).mean()),
        float(squares(corrected).mean()),
        float(squares(constant).mean()),
        float(later.paid.var()),
        mean_over_weeks(gain, later.entry_ns, later.end_ns),
    )


def _plain(found: Any) -> Any:
    """Turn named tuples into mappings, and what is not finite into None."""
    if hasattr(found, "_asdict"):
        return {name: _plain(value) for name, value in found._asdict().items()}
    if isinstance(found, list):
        return [_plain(each) for each in found]
    return number(found) if isinstance(found, float) else found


def _score(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
