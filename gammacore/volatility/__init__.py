"""Volatility: what was realised, what is forecast, what options imply."""

from gammacore.volatility.clock import VarianceClock, fit_clock
from gammacore.volatility.jumps import JumpTest, bipower_variance, jump_test, tripower_variance
from gammacore.volatility.kernel import (
    kernel_bandwidth,
    noise_variance,
    parzen,
    realised_kernel,
    rolling_kernel,
    two_scale,
)
from gammacore.volatility.ranges import Bars, range_variance
from gammacore.volatility.realised import realised_variance, realised_vol, sample
from gammacore.volatility.result import Realised

__all__ = [
    "Bars",
    "JumpTest",
    "Realised",
    "VarianceClock",
    "bipower_variance",
    "fit_clock",
    "jump_test",
    "kernel_bandwidth",
    "noise_variance",
    "parzen",
    "range_variance",
    "realised_kernel",
    "realised_variance",
    "realised_vol",
    "rolling_kernel",
    "sample",
    "tripower_variance",
    "two_scale",
]
