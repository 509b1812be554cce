"""At which realised volatility a position breaks even, and what a forecast makes of it.

If the price is a martingale, a position that is hedged all the way earns on average its value at the realised
volatility less what was paid, whatever delta it was hedged with; Ahmad and Wilmott (2005) give the
deviation of one that is hedged at the marks. Then come the costs: spread and fees of the options, hedging
by the chosen policy, the first hedge and the last, funding and basis. What hedging costs, and how profits
spread around their mean, is simulated; what nobody hedges has exact laws. The
realised volatility at which nothing is left is the break-even; a forecast with a deviation of its own gives
the probability of a profit, its mean and its deviation.

Amounts are in the settlement currency per unit of the position: coin for inverse options, USD for linear.
A mean in coin is that in USD over the forward (the price is a martingale for who counts in USD, its
inverse if you measure P&L in coin); deviations are taken over alike, which leaves out terms of second order.
"""

from gammacore._lazy import make_callable
from gammacore.breakeven.engine import breakevens
from gammacore.breakeven.plan import Breakevens, TradePlan
from gammacore.breakeven.structures import Positions, straddles

__all__ = ["Breakevens", "Positions", "TradePlan", "breakevens", "straddles"]

make_callable(__name__)
