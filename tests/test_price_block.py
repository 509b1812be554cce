"""Blocks of bars priced in one go, against single moments."""

from gammacore.backtest.replay.price_block import PriceBlock
from gammacore.contracts import Future, Option, Perpetual, Settlement
from gammacore.valuation import exposure
from support.markets import FRIDAY
from support.tapes import minute_tape

CALL = Option("BTC", Settlement.INVERSE, FRIDAY, 60e3, 1)
PERP = Perpetual("BTC", Settlement.INVERSE)


def test_blocks_agree_with_single_moments():
    tape = minute_tape()
    block = PriceBlock(tape, 10, 300)
    part = block.window(50, 60)
    assert len(part) == 10
    for k, i in enumerate(range(50, 60)):
        forward = float(tape.forward(FRIDAY, i, i + 1)[0])
        tau, vol = float(tape.tau(FRIDAY, i, i + 1)[0]), float(tape.vol(CALL, i, i + 1)[0])
        single = exposure(CALL, forward, tau, vol)
        assert part.exposure(CALL).net_delta[k] == single.net_delta
        assert part.exposure(CALL).value[k] == single.value
        assert part.future_price(PERP)[k] == tape.index[i]
        assert part.future_price(Future("BTC", Settlement.INVERSE, FRIDAY))[k] == forward
