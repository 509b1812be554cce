# cython: auto_pickle=False, autotestdict=False, embedsignature=False
"""The hedge of one episode over a run of bars, decided, filled and booked in compiled code.

Private: gammacore.backtest.replay.compiled is its face. The arithmetic is in replay.h.
"""

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

import numpy as np

cnp.import_array()

cdef extern from "replay.h" nogil:
    enum:
        GC_EVERY
        GC_OUTSIDE
        GC_MOVE_USD
        GC_MOVE_RELATIVE
        GC_MOVE_LOG
        GC_TAKER
        GC_POST_ONLY
        GC_MAKER
        GC_HOURS

    ctypedef struct gc_contract:
        int inverse, perpetual, on_grid, taker_rounded, maker_rounded
        double half_spread[24]
        double taker_fee, maker_fee
        double tick_num, tick_den, lot_num, lot_den, grid_rtol

    ctypedef struct gc_working:
        int tactics
        uint64_t seed
        double patience, looks
        const int64_t *ends
        const double *opens "from"
        const double *close
        const double *high
        const double *low
        const double *variance

    ctypedef struct gc_position:
        double amount, average, interest
        int64_t cash[2]
        int64_t pnl[2]
        int64_t fees[2]
        int64_t funding[2]
        int64_t postings
        double last_price
        int64_t last_ns

    ctypedef struct gc_trade:
        double wanted, amount, price, mark, fee
        int maker
        int64_t funding[2]
        int64_t realised[2]
        int64_t paid[2]

    double gc_delta(int inverse, double amount, double price)
    double gc_worth(const gc_position *p, const gc_contract *c, double price, double interest)
    int gc_execute(gc_position *p, const gc_contract *c, const gc_working *w, double delta, double mark,
                   double rate, double interest, int64_t ts_ns, ptrdiff_t i, gc_trade *t)
    int gc_rests(const gc_working *w, int buys, double own, double mark, int64_t ts_ns, ptrdiff_t i,
                 double *missed)
    double gc_half_spread(const gc_contract *c, int64_t ts_ns)
    double gc_quote(const gc_contract *c, double amount, double mark, double half_spread)
    double gc_close(gc_position *p, const gc_contract *c, double price, double mark, double rate,
                    double interest, double fee, int fee_rounded, gc_trade *t)
    ctypedef ptrdiff_t gc_scanner(const double *options, const double *price, const double *below,
                                  const double *above, int per_bar, double amount, int inverse,
                                  double target, ptrdiff_t i, ptrdiff_t n)
    gc_scanner *gc_best_scanner()
    ptrdiff_t gc_next_move(int kind, const double *price, double last, const double *threshold, int per_bar,
                           ptrdiff_t i, ptrdiff_t n)
    ptrdiff_t gc_next_due(const int64_t *ts_ns, int64_t last, int64_t every, ptrdiff_t i, ptrdiff_t n)

cdef extern from "resting.h" nogil:
    double gc_rest(double a, double b, double seconds, double variance, double reach, double patience,
                   double looks, double *missed)
    double gc_drawn(uint64_t seed, int64_t ts_ns, int buys)

cdef extern from "lines.h" nogil:
    enum:
        GC_SUMS
        GC_HELD_SUMS

    ctypedef struct gc_greeks_at:
        const double *price
        const double *delta
        const double *gamma
        const double *theta
        const double *vega
        const double *vanna
        const double *volga
        const double *charm

    ctypedef void gc_taylor_summer(int inverse, ptrdiff_t n, const gc_greeks_at *g, const double *F,
                                   const double *tau, const double *vol, const double *rate, double (*sums)[2])
    gc_taylor_summer *gc_best_taylor()
    void gc_sum_held(int inverse, ptrdiff_t n, const double *price, const double *forward, const double *interest,
                     const double *rate, ptrdiff_t fills, const int64_t *points, const double *amount,
                     const double *excess, double (*sums)[2])
    void gc_add_worth(ptrdiff_t n, double *native, double *other, const double *options, const double *unit,
                      const double *rate, ptrdiff_t fills, const int64_t *points, const double *amount,
                      const double *paid, ptrdiff_t parts, const int64_t *since, const double *put_in,
                      const double *owed)
    double gc_deepest_fall(ptrdiff_t n, const double *curve)

EVERY, OUTSIDE, MOVE_USD = GC_EVERY, GC_OUTSIDE, GC_MOVE_USD
MOVE_RELATIVE, MOVE_LOG = GC_MOVE_RELATIVE, GC_MOVE_LOG
TAKER, POST_ONLY, MAKER = GC_TAKER, GC_POST_ONLY, GC_MAKER
HOURS = GC_HOURS

cdef gc_scanner *gc_next_outside = gc_best_scanner()
cdef gc_taylor_summer *gc_sum_taylor_best = gc_best_taylor()

TRADE = np.dtype([
    ("at", "i8"), ("wanted", "f8"), ("amount", "f8"), ("price", "f8"), ("mark", "f8"), ("fee", "f8"),
    ("maker", "i8"),
    ("funding", "i8", 2), ("realised", "i8", 2), ("paid", "i8", 2),
])

cdef packed struct row:
    int64_t at
    double wanted, amount, price, mark, fee
    int64_t maker
    int64_t funding[2]
    int64_t realised[2]
    int64_t paid[2]


cdef class Contract:
    """Contract, costs and grid of a hedge; see gc_contract."""

    cdef gc_contract c

    def __init__(self, bint inverse, bint perpetual, half_spread, taker, maker, tick=None, lot=None,
                 double grid_rtol=0.0):
        self.c.inverse, self.c.perpetual = inverse, perpetual
        for hour in range(GC_HOURS):
            self.c.half_spread[hour] = half_spread[hour]
        self.c.taker_fee, self.c.taker_rounded = taker
        self.c.maker_fee, self.c.maker_rounded = maker
        self.c.on_grid = tick is not None
        if tick is not None:
            self.c.tick_num, self.c.tick_den = tick
            self.c.lot_num, self.c.lot_den = lot
            self.c.grid_rtol = grid_rtol


cdef class Working:
    """How orders are worked, and the bar after each entry of a tape; see gc_working.

    Parameters
    ----------
    tactics : int
        TAKER, POST_ONLY or MAKER.
    seed : int
    patience, looks : float
        Seconds.
    ends : array of int64, shape (n,)
    opens, close, high, low, variance : array of float64, shape (n,)
    """

    cdef gc_working w
    cdef object arrays
    cdef Py_ssize_t size

    def __init__(self, int tactics, uint64_t seed, double patience, double looks, const int64_t[::1] ends,
                 const double[::1] opens, const double[::1] close, const double[::1] high,
                 const double[::1] low, const double[::1] variance):
        cdef const double[::1] column
        self.size = ends.shape[0]
        for column in (opens, close, high, low, variance):
            if column.shape[0] != self.size:
                raise ValueError(f"arrays of a tape must have {self.size} entries each")
        if not self.size:
            raise ValueError("a tape has at least one entry")
        self.arrays = ends, opens, close, high, low, variance
        self.w.tactics, self.w.seed, self.w.patience, self.w.looks = tactics, seed, patience, looks
        self.w.ends, self.w.opens, self.w.close = &ends[0], &opens[0], &close[0]
        self.w.high, self.w.low, self.w.variance = &high[0], &low[0], &variance[0]

    def rests(self, Py_ssize_t entry, int64_t ts_ns, bint buys, double limit, double mark):
        """Whether an order that leaves at an entry of the tape is filled at rest, by the draw of its moment.

        Returns
        -------
        filled : bool
        missed : float
            Mean move towards the order if it is not, as a share of the price.
        """
        cdef double missed
        if not 0 <= entry < self.size:
            raise ValueError(f"entry {entry} is not on a tape of {self.size}")
        filled = gc_rests(&self.w, buys, limit, mark, ts_ns, entry, &missed) != 0
        return filled, missed


cdef class Position:
    """Hedge position with its balances, in and out of a run; see gc_position."""

    cdef gc_position p

    def __init__(self, double amount, double average, double interest, cash, int64_t last_ns,
                 double last_price):
        self.p.amount, self.p.average, self.p.interest = amount, average, interest
        self.p.cash[0], self.p.cash[1] = cash
        for i in range(2):
            self.p.pnl[i] = self.p.fees[i] = self.p.funding[i] = 0
        self.p.postings = 0
        self.p.last_ns, self.p.last_price = last_ns, last_price

    @property
    def state(self):
        """Amount, average entry, funding reading, time and price of the last decision."""
        return self.p.amount, self.p.average, self.p.interest, self.p.last_ns, self.p.last_price

    @property
    def booked(self):
        """Debits since the start of the run: hedge profit, fees and funding, each (coin, USD)."""
        return ((self.p.pnl[0], self.p.pnl[1]), (self.p.fees[0], self.p.fees[1]),
                (self.p.funding[0], self.p.funding[1]))

    @property
    def gained(self):
        """Change of cash since the start of the run, units of (coin, USD)."""
        return (-self.p.pnl[0] - self.p.fees[0] - self.p.funding[0],
                -self.p.pnl[1] - self.p.fees[1] - self.p.funding[1])

    @property
    def postings(self):
        """How many amounts were posted."""
        return self.p.postings


cdef class Rows:
    """Trades so far; grows by doubling."""

    cdef row *data
    cdef Py_ssize_t count, room

    def __dealloc__(self):
        free(self.data)

    cdef int add(self, int64_t at, const gc_trade *t) except -1:
        cdef row *grown
        cdef row *r
        if self.count == self.room:
            self.room = 2 * self.room if self.room else 64
            grown = <row *> realloc(self.data, self.room * sizeof(row))
            if grown == NULL:
                raise MemoryError
            self.data = grown
        r = self.data + self.count
        r.at, r.wanted, r.amount, r.price, r.mark, r.fee = at, t.wanted, t.amount, t.price, t.mark, t.fee
        r.maker = t.maker
        for i in range(2):
            r.funding[i], r.realised[i], r.paid[i] = t.funding[i], t.realised[i], t.paid[i]
        self.count += 1
        return 0

    def __len__(self):
        return self.count

    def clear(self):
        """Forget the trades, keep the room."""
        self.count = 0

    def array(self):
        """Copy of the trades, a structured array of dtype TRADE."""
        out = np.empty(self.count, TRADE)
        if self.count:
            memcpy(cnp.PyArray_DATA(out), self.data, self.count * sizeof(row))
        return out


def unwind(Position position not None, Contract contract not None, double mark, double rate,
           double interest, int64_t ts_ns, Rows rows not None, Py_ssize_t at):
    """Close the position as a taker; the trade is added to ``rows``."""
    cdef gc_trade t
    cdef double half = gc_half_spread(&contract.c, ts_ns)
    if position.p.amount != 0.0:
        gc_close(&position.p, &contract.c, gc_quote(&contract.c, -position.p.amount, mark, half), mark, rate,
                 interest, contract.c.taker_fee, contract.c.taker_rounded, &t)
        rows.add(at, &t)


def settle(Position position not None, Contract contract not None, double price, double rate,
           double interest, double fee=0.0):
    """Close the position at a mark or a delivery price, for ``fee`` of its notional; returns what was held."""
    cdef gc_trade t
    if position.p.amount == 0.0:
        return 0.0
    return gc_close(&position.p, &contract.c, price, price, rate, interest, fee, 1, &t)


def take_over(Position position not None, Contract contract not None, double amount, double price,
              double interest):
    """Open the position at a mark, as a roll does."""
    position.p.interest = interest
    position.p.amount, position.p.average = amount, price
    position.p.postings += 3


cdef class Search:
    """The bars of a run at which a trigger fires, for a hedge that changes from one to the next.

    Parameters
    ----------
    kind, ts_ns, price, options, below, above, target, every
        As of `hedge`.
    inverse : bool
        Settlement of the hedge.
    """

    cdef int kind
    cdef const int64_t[::1] ts_ns
    cdef const double[::1] price, options, below, above
    cdef double target
    cdef int64_t every
    cdef bint inverse

    def __init__(self, int kind, const int64_t[::1] ts_ns not None, const double[::1] price not None,
                 const double[::1] options not None, const double[::1] below not None,
                 const double[::1] above not None, double target, int64_t every, bint inverse):
        check_run(ts_ns.shape[0], price, options, below, above)
        self.kind, self.target, self.every, self.inverse = kind, target, every, inverse
        self.ts_ns, self.price, self.options = ts_ns, price, options
        self.below, self.above = below, above

    def next(self, Py_ssize_t bar, double amount, int64_t last_ns, double last_price):
        """Find the first bar from ``bar`` on at which the trigger fires; the number of bars if none does.

        Parameters
        ----------
        bar : int
        amount : float
            Of the hedge held.
        last_ns, last_price : int and float
            Time and price of the last decision.
        """
        if bar < 0:
            raise ValueError(f"bar must not be negative, got {bar}")
        if bar >= self.ts_ns.shape[0]:
            return self.ts_ns.shape[0]
        return next_bar(self.kind, &self.ts_ns[0], &self.price[0], &self.options[0], &self.below[0],
                        &self.above[0], self.above.shape[0] > 1, self.target, self.every, self.inverse,
                        amount, last_ns, last_price, bar, self.ts_ns.shape[0])


cdef int check_run(Py_ssize_t n, const double[::1] price, const double[::1] options,
                   const double[::1] below, const double[::1] above) except -1:
    if price.shape[0] != n or options.shape[0] != n:
        raise ValueError(f"arrays of a run must have {n} entries each")
    if above.shape[0] != 1 and above.shape[0] != n or below.shape[0] != above.shape[0]:
        raise ValueError("below and above must have one entry, or one per bar")
    return 0


cdef Py_ssize_t next_bar(int kind, const int64_t *ts_ns, const double *price, const double *options,
                         const double *below, const double *above, bint per_bar, double target, int64_t every,
                         bint inverse, double amount, int64_t last_ns, double last_price, Py_ssize_t i,
                         Py_ssize_t n) noexcept:
    """First bar in [i, n) at which the trigger fires, or n."""
    if kind == GC_EVERY:
        return gc_next_due(ts_ns, last_ns, every, i, n)
    if kind != GC_OUTSIDE:
        return gc_next_move(kind, price, last_price, above, per_bar, i, n)
    return gc_next_outside(options, price, below, above, per_bar, amount, inverse, target, i, n)


@cython.boundscheck(True)
def hedge(Position position not None, Contract contract not None, Working working not None,
          Py_ssize_t entry, int kind, const int64_t[::1] ts_ns,
          const double[::1] price, const double[::1] rate, const double[::1] interest,
          const double[::1] options, const double[::1] below, const double[::1] above, double target,
          int64_t every, bint centre, rule=None, const double[::1] value=None, bint own_equity=False,
          Rows rows=None, Py_ssize_t offset=0):
    """Walk a run of bars.

    Parameters
    ----------
    position : Position
        Changed in place.
    contract : Contract
    working : Working
    entry : int
        Of the tape of ``working``: the first bar.
    kind : int
        Trigger: EVERY (``every`` ns), OUTSIDE (``below``, ``above``: one value or one per bar)
        or a MOVE (threshold in ``above``).
    ts_ns, price, rate, interest : arrays, shape (n,)
        Time, mark of the hedge, USD per coin, funding accumulator.
    options : array, shape (n,)
        Delta of the options that is to be hedged, coin.
    target : float
        Delta to keep.
    centre : bool
        Trade the whole mismatch, or only what is beyond the edge.
    rule : callable(bar, mismatch, last_ns, last_price) -> float, optional
        Delta to add, in place of what the trigger would.
    value : array, shape (n,), optional
        Value of the options, needed with ``own_equity``.
    own_equity : bool
        Count the equity as delta (USD-neutral).
    rows : Rows, optional
        Where the trades are added, their bars counted from ``offset``.

    Returns
    -------
    trades : Rows
    decisions : int
        How often the trigger fired.
    """
    cdef Py_ssize_t n = ts_ns.shape[0], i = 0, decisions = 0
    cdef gc_position *p = &position.p
    cdef const gc_contract *c = &contract.c
    cdef gc_trade t
    cdef double y, delta, edge
    cdef int per_bar = above.shape[0] > 1
    if rows is None:
        rows = Rows()
    check_run(n, price, options, below, above)
    if rate.shape[0] != n or interest.shape[0] != n:
        raise ValueError(f"arrays of a run must have {n} entries each")
    if own_equity and (value is None or value.shape[0] != n):
        raise ValueError("value is needed, one entry per bar")
    if n == 0:
        return rows, 0
    if entry < 0 or entry + n > working.size:
        raise ValueError(f"entries {entry} to {entry + n} are not on a tape of {working.size}")
    while i < n:
        if kind != GC_OUTSIDE or not own_equity:
            i = next_bar(kind, &ts_ns[0], &price[0], &options[0], &below[0], &above[0], per_bar, target, every,
                         c.inverse, p.amount, p.last_ns, p.last_price, i, n)
        else:
            while i < n:
                y = options[i] + gc_delta(c.inverse, p.amount, price[i]) \
                    + (value[i] + gc_worth(p, c, price[i], interest[i])) - target
                if y > above[i if per_bar else 0] or y < -below[i if per_bar else 0]:
                    break
                i += 1
        if i == n:
            break
        y = options[i] + gc_delta(c.inverse, p.amount, price[i]) - target
        if own_equity:
            y += value[i] + gc_worth(p, c, price[i], interest[i])
        if rule is not None:
            delta = rule(i, y, p.last_ns, p.last_price)
        elif centre or kind != GC_OUTSIDE:
            delta = -y
        else:
            edge = above[i if per_bar else 0] if y > 0.0 else -below[i if per_bar else 0]
            delta = edge - y
        decisions += 1
        p.last_ns, p.last_price = ts_ns[i], price[i]
        if gc_execute(p, c, &working.w, delta, price[i], rate[i], interest[i], ts_ns[i], entry + i, &t):
            rows.add(offset + i, &t)
        i += 1
    return rows, decisions


def rest(a, b, seconds, variance, reach, double patience, double looks):
    """Chance that resting orders fill, and where the price is if they do not; see resting.h.

    Parameters
    ----------
    a, b, reach : array of float64, shape (n,)
        Distance of the order, of the next close and of the furthest price, positive towards the order, as
        shares of the price; ``reach`` is NaN where it is unknown.
    seconds, variance : array of float64, shape (n,)
        Length of the next bar, and variance of a second.
    patience, looks : float
        Seconds to wait, and between two prices.

    Returns
    -------
    chance, missed : array of float64, shape (n,)
    """
    cdef const double[::1] at = np.ascontiguousarray(a, np.float64), close = np.ascontiguousarray(b, np.float64)
    cdef const double[::1] length = np.ascontiguousarray(seconds, np.float64)
    cdef const double[::1] spread = np.ascontiguousarray(variance, np.float64)
    cdef const double[::1] far = np.ascontiguousarray(reach, np.float64)
    cdef Py_ssize_t n = at.shape[0], i
    chance, missed = np.empty(n), np.empty(n)
    cdef double[::1] p = chance, x = missed
    if close.shape[0] != n or length.shape[0] != n or spread.shape[0] != n or far.shape[0] != n:
        raise ValueError(f"arrays of orders must have {n} entries each")
    for i in range(n):
        p[i] = gc_rest(at[i], close[i], length[i], spread[i], far[i], patience, looks, &x[i])
    return chance, missed


def drawn(uint64_t seed, int64_t ts_ns, bint buys):
    """Uniform number of a moment and a side, in [0, 1)."""
    return gc_drawn(seed, ts_ns, buys)


def taylor_sums(bint inverse, greeks, const double[::1] forward, const double[::1] tau, const double[::1] vol,
                const double[::1] rate):
    """Sum the Taylor lines of one option over a path.

    Parameters
    ----------
    inverse : bool
        Settlement; the greeks are then those of gammacore.inverse, the delta its net_delta.
    greeks : tuple of 8 arrays, shape (n + 1,)
        Price, delta, gamma, theta, vega, vanna, volga, charm.
    forward, tau, vol, rate : arrays, shape (n + 1,)
        The path; ``rate`` is units of the other currency for one of the native.

    Returns
    -------
    array, shape (9, 2)
        Delta, gamma, theta, vega, vanna, volga, charm, the model's whole move, and the move of the
        price that the hedge is linear in; native and other currency.
    """
    cdef Py_ssize_t points = forward.shape[0]
    cdef gc_greeks_at at
    cdef const double[::1] column
    cdef const double *data[8]
    if points < 1 or len(greeks) != 8:
        raise ValueError("a path of at least one point and eight greeks are needed")
    if tau.shape[0] != points or vol.shape[0] != points or rate.shape[0] != points:
        raise ValueError(f"arrays of a path must have {points} entries each")
    for k, values in enumerate(greeks):
        column = values
        if column.shape[0] != points:
            raise ValueError(f"greeks must have {points} entries each")
        data[k] = &column[0]
    at.price, at.delta, at.gamma, at.theta = data[0], data[1], data[2], data[3]
    at.vega, at.vanna, at.volga, at.charm = data[4], data[5], data[6], data[7]
    sums = np.empty((GC_SUMS, 2))
    cdef double[:, ::1] out = sums
    gc_sum_taylor_best(inverse, points - 1, &at, &forward[0], &tau[0], &vol[0], &rate[0],
                       <double (*)[2]> &out[0, 0])
    return sums


def held_sums(bint inverse, const double[::1] price, const double[::1] forward, interest,
              const double[::1] rate, const int64_t[::1] points, const double[::1] amount,
              const double[::1] excess):
    """Sum the lines of a hedge over a path.

    Parameters
    ----------
    inverse : bool
        Settlement.
    price, forward, rate : arrays, shape (n + 1,)
        Mark of the hedge, forward of the options, units of the other currency for one of the native.
    interest : array, shape (n + 1,), or None
        Funding accumulator of a perpetual.
    points, amount, excess : arrays, shape (fills,)
        Where each fill takes place (ascending), its signed amount, and what rounding to lots added.

    Returns
    -------
    array, shape (4, 2)
        Hedge, basis, lots, funding; native and other currency.
    """
    cdef Py_ssize_t n = price.shape[0], fills = points.shape[0]
    cdef const double[::1] paid
    cdef const double *accumulator = NULL
    if n < 1 or forward.shape[0] != n or rate.shape[0] != n:
        raise ValueError("arrays of a path must be of one length, at least one")
    if amount.shape[0] != fills or excess.shape[0] != fills:
        raise ValueError("points, amount and excess must be of the same fills")
    if interest is not None:
        paid = interest
        if paid.shape[0] != n:
            raise ValueError(f"interest must have {n} entries")
        accumulator = &paid[0]
    sums = np.empty((GC_HELD_SUMS, 2))
    cdef double[:, ::1] out = sums
    gc_sum_held(inverse, n - 1, &price[0], &forward[0], accumulator, &rate[0], fills,
                &points[0] if fills else NULL, &amount[0] if fills else NULL, &excess[0] if fills else NULL,
                <double (*)[2]> &out[0, 0])
    return sums


def add_worth(double[::1] native, double[::1] other, const double[::1] options, const double[::1] unit,
              const double[::1] rate, const int64_t[::1] points, const double[::1] amount,
              const double[::1] paid, const int64_t[::1] since, const double[::1] put_in,
              const double[::1] owed):
    """Add to two curves what an episode was worth at some entries.

    Parameters
    ----------
    native, other : arrays, shape (n,)
        Profit in the settlement currency and in the other; changed in place.
    options, unit, rate : arrays, shape (n,)
        Profit of the options so far, of one unit of the hedge held, units of the other currency for one.
    points, amount, paid : arrays, shape (fills,)
        Entry of each trade of the hedge (ascending), its signed amount, and what it brought in cash.
    since, put_in, owed : arrays, shape (parts,)
        Entry at which capital was put in (ascending), how much, and what it was worth in the other currency.
    """
    cdef Py_ssize_t n = native.shape[0], fills = points.shape[0], parts = since.shape[0]
    if other.shape[0] != n or options.shape[0] != n or unit.shape[0] != n or rate.shape[0] != n:
        raise ValueError(f"curves and what is added to them must have {n} entries each")
    if amount.shape[0] != fills or paid.shape[0] != fills:
        raise ValueError("points, amount and paid must be of the same trades")
    if put_in.shape[0] != parts or owed.shape[0] != parts:
        raise ValueError("since, put_in and owed must be of the same capital")
    if not n:
        return
    gc_add_worth(n, &native[0], &other[0], &options[0], &unit[0], &rate[0], fills,
                 &points[0] if fills else NULL, &amount[0] if fills else NULL, &paid[0] if fills else NULL,
                 parts, &since[0] if parts else NULL, &put_in[0] if parts else NULL,
                 &owed[0] if parts else NULL)


def deepest_fall(const double[::1] curve):
    """Find the deepest fall of a curve below its highest point so far, which starts at zero.

    Parameters
    ----------
    curve : array, shape (n,)
        What is not finite is passed over.

    Returns
    -------
    float
        Not positive.
    """
    return gc_deepest_fall(curve.shape[0], &curve[0]) if curve.shape[0] else 0.0
