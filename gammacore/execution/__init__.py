"""How orders are worked: what to send next, at which price, and what a resting order may expect.

A session sends what the steps here say to the exchange; a replay holds them against its bars. Time is what
the caller says it is.
"""
