"""Forecasts of realised variance over a horizon: models, combinations, densities, and how good they were."""

from gammacore.volatility.forecast.arch_models import ARCH_MODELS, arch_forecasts, ewma_forecasts
from gammacore.volatility.forecast.combine import (
    combine_constrained,
    combine_equal,
    combine_inverse_loss,
    correct_level,
)
from gammacore.volatility.forecast.combined import combined_forecasts
from gammacore.volatility.forecast.density import Density, density_history, forecast_density
from gammacore.volatility.forecast.evaluate import (
    Score,
    confidence_set,
    diebold_mariano,
    mincer_zarnowitz,
    qlike,
    score_table,
)
from gammacore.volatility.forecast.har import HAR, har_forecasts
from gammacore.volatility.forecast.history import History, daily_history, naive_forecasts

__all__ = [
    "ARCH_MODELS",
    "HAR",
    "Density",
    "History",
    "Score",
    "arch_forecasts",
    "combine_constrained",
    "combine_equal",
    "combine_inverse_loss",
    "combined_forecasts",
    "confidence_set",
    "correct_level",
    "daily_history",
    "density_history",
    "diebold_mariano",
    "ewma_forecasts",
    "forecast_density",
    "har_forecasts",
    "mincer_zarnowitz",
    "naive_forecasts",
    "qlike",
    "score_table",
]
