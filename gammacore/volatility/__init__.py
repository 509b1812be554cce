"""Volatility: what was realised, what is forecast, what options imply."""

from gammacore.volatility.clock import VarianceClock, fit_clock
from gammacore.volatility.fit import fit_surface
from gammacore.volatility.forecast import (
    ARCH_MODELS,
    HAR,
    Density,
    History,
    Score,
    arch_forecasts,
    combine_constrained,
    combine_equal,
    combine_inverse_loss,
    confidence_set,
    correct_level,
    daily_history,
    density_history,
    diebold_mariano,
    ewma_forecasts,
    forecast_density,
    har_forecasts,
    mincer_zarnowitz,
    naive_forecasts,
    qlike,
    score_table,
)
from gammacore.volatility.jumps import JumpTest, bipower_variance, jump_test, tripower_variance
from gammacore.volatility.kernel import (
    kernel_bandwidth,
    noise_variance,
    parzen,
    realised_kernel,
    rolling_kernel,
    two_scale,
)
from gammacore.volatility.price_law import PRICE_LAWS, PriceLaw, fit_price_law
from gammacore.volatility.quotes import Points, Reason, quoted_points
from gammacore.volatility.ranges import Bars, range_variance
from gammacore.volatility.realised import realised_variance, realised_vol, sample
from gammacore.volatility.result import Realised
from gammacore.volatility.ssvi import SSVI, fit_ssvi
from gammacore.volatility.strip import (
    chain_index,
    replicated_variance,
    strip_variance,
    surface_index,
    swap_variance,
)
from gammacore.volatility.surface import SliceReport, Surface
from gammacore.volatility.svi import SVI

__all__ = [
    "ARCH_MODELS",
    "HAR",
    "PRICE_LAWS",
    "SSVI",
    "SVI",
    "Bars",
    "Density",
    "History",
    "JumpTest",
    "Points",
    "PriceLaw",
    "Realised",
    "Reason",
    "Score",
    "SliceReport",
    "Surface",
    "VarianceClock",
    "arch_forecasts",
    "bipower_variance",
    "chain_index",
    "combine_constrained",
    "combine_equal",
    "combine_inverse_loss",
    "confidence_set",
    "correct_level",
    "daily_history",
    "density_history",
    "diebold_mariano",
    "ewma_forecasts",
    "fit_clock",
    "fit_price_law",
    "fit_ssvi",
    "fit_surface",
    "forecast_density",
    "har_forecasts",
    "jump_test",
    "kernel_bandwidth",
    "mincer_zarnowitz",
    "naive_forecasts",
    "noise_variance",
    "parzen",
    "qlike",
    "quoted_points",
    "range_variance",
    "realised_kernel",
    "realised_variance",
    "realised_vol",
    "replicated_variance",
    "rolling_kernel",
    "sample",
    "score_table",
    "strip_variance",
    "surface_index",
    "swap_variance",
    "tripower_variance",
    "two_scale",
]
