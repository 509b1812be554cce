"""What became of an implied volatility: the status that every ``implied_vol`` can return."""

from enum import IntEnum

from gammacore import _core

__all__ = ["IVStatus"]


class IVStatus(IntEnum):
    """Outcome of one implied volatility; anything but ``OK`` comes with NaN.

    Where several apply, ``NOT_FINITE`` goes before ``EXPIRED``, and that before what is
    wrong with the price.

    Examples
    --------
    >>> import gammacore as gc
    >>> gc.black76.implied_vol("call", 70_000.0, 60_000.0, 40_000.0, 0.1, status=True)  # above the forward
    (nan, <IVStatus.ABOVE_BOUND: 3>)
    """

    OK = _core.OK
    """The volatility reproduces the price."""
    BELOW_INTRINSIC = _core.BELOW_INTRINSIC
    """The price is below discounted intrinsic value, or negative."""
    AT_INTRINSIC = _core.AT_INTRINSIC
    """The price is discounted intrinsic value (0 out of the money): any small enough vol fits.

    A time value below 1e-289, absolutely or against ``min(forward, strike)``, counts as none.
    """
    ABOVE_BOUND = _core.ABOVE_BOUND
    """The price is at or above what an infinite volatility gives."""
    NOT_FINITE = _core.NOT_FINITE
    """An input is NaN or infinite, or forward or strike is not a positive normal number."""
    EXPIRED = _core.EXPIRED
    """``tau`` is zero or negative."""


_core.set_statuses(tuple(IVStatus))
