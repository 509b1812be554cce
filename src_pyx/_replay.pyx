# cython: auto_pickle=False, autotestdict=False, embedsignature=False
"""The hedge of one episode over a run of bars, decided, filled and booked in compiled code.

Private: gammacore.backtest.replay.compiled is its face. The arithmetic is in replay.h.
"""

cimport numpy as cnp
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
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
        int inverse, perpetual, on_grid, taker_rounded, maker_rounded, one_spread
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

    int gc_rests(const gc_working *w, int buys, double own, double mark, int64_t ts_ns, ptrdiff_t i,
                 double *missed)

cdef extern from "walk.h" nogil:
    enum:
        GC_STRETCH

    ctypedef struct gc_row:
        pass

    ctypedef struct gc_fill:
        int64_t at

    ctypedef struct gc_trades:
        char *data
        ptrdiff_t count, room

    ctypedef struct gc_range:
        double low, high, cheap, dear

    ctypedef struct gc_run:
        ptrdiff_t n, entry, offset
        const int64_t *ts_ns
        const double *price
        const double *rate
        const double *interest
        const double *options
        const double *value
        const gc_range *ranges
        const gc_contract *contract

    ctypedef int gc_asked(void *rule, ptrdiff_t bar, double mismatch, int64_t last_ns, double last_price,
                          double *delta) noexcept

    ctypedef struct gc_plan:
        int kind, per_bar, centre, own_equity
        int64_t every
        const double *below
        const double *above
        double target
        void *rule
        gc_asked *ask

    void gc_look_through(gc_run *r, gc_range *ranges)
    ctypedef ptrdiff_t gc_finder(const gc_run *r, const gc_plan *plan, const gc_position *p, ptrdiff_t i)
    gc_finder *gc_best_finder()
    ctypedef ptrdiff_t gc_walker(gc_position *p, const gc_run *r, const gc_plan *plan, const gc_working *w,
                                 gc_trades *rows)
    gc_walker *gc_best_walker()

cdef extern from "resting.h" nogil:
    double gc_rest(double a, double b, double seconds, double variance, double reach, double patience,
                   double looks, double *missed)
    double gc_drawn(uint64_t seed, int64_t ts_ns, int buys)

cdef extern from "lines.h" nogil:
    enum:
        GC_HELD_SUMS
        GC_COST_SUMS

    void gc_sum_held(int inverse, ptrdiff_t n, const double *price, const double *forward, const double *interest,
                     const double *rate, ptrdiff_t fills, const int64_t *points, const double *amount,
                     const double *excess, double (*sums)[2])
    void gc_sum_costs(int inverse, ptrdiff_t n, const double *rate, ptrdiff_t fills, const int64_t *points,
                      const double *amount, const double *price, const double *mark, const double *fee,
                      double (*sums)[2])
    void gc_add_worth(ptrdiff_t n, double *native, double *other, const double *options, const double *unit,
                      const double *rate, ptrdiff_t fills, const int64_t *points, const double *amount,
                      const double *paid, ptrdiff_t parts, const int64_t *since, const double *put_in,
                      const double *owed)
    double gc_deepest_fall(ptrdiff_t n, const double *curve)

EVERY, OUTSIDE, MOVE_USD = GC_EVERY, GC_OUTSIDE, GC_MOVE_USD
MOVE_RELATIVE, MOVE_LOG = GC_MOVE_RELATIVE, GC_MOVE_LOG
TAKER, POST_ONLY, MAKER = GC_TAKER, GC_POST_ONLY, GC_MAKER
HOURS = GC_HOURS

cdef gc_finder *gc_next_decision = gc_best_finder()
cdef gc_walker *gc_walk_rows = gc_best_walker()

TRADE = np.dtype([
    ("at", "i8"), ("wanted", "f8"), ("amount", "f8"), ("price", "f8"), ("mark", "f8"), ("fee", "f8"),
    ("maker", "i8"),
    ("funding", "i8", 2), ("realised", "i8", 2), ("paid", "i8", 2),
])

cdef class Contract:
    """Contract, costs and grid of a hedge; see gc_contract."""

    cdef gc_contract c

    def __init__(self, bint inverse, bint perpetual, half_spread, taker, maker, tick=None, lot=None,
                 double grid_rtol=0.0):
        self.c.inverse, self.c.perpetual = inverse, perpetual
        for hour in range(GC_HOURS):
            self.c.half_spread[hour] = half_spread[hour]
        self.c.one_spread = all(half_spread[hour] == half_spread[0] for hour in range(GC_HOURS))
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
    def postings(self):
        """How many amounts were posted."""
        return self.p.postings


cdef class Rows:
    """Trades of a walk."""

    cdef gc_trades all

    def __dealloc__(self):
        free(self.all.data)

    def __len__(self):
        return self.all.count

    def array(self):
        """Copy of the trades, a structured array of dtype TRADE."""
        out = np.empty(self.all.count, TRADE)
        if self.all.count:
            memcpy(cnp.PyArray_DATA(out), self.all.data, self.all.count * sizeof(gc_row))
        return out


cdef int ask(void *rule, ptrdiff_t bar, double mismatch, int64_t last_ns, double last_price,
             double *delta) noexcept with gil:
    """Ask a rule in Python; what it raises is kept for the end of the walk."""
    try:
        delta[0] = (<Plan> rule).rule(bar, mismatch, last_ns, last_price)
    except BaseException as error:
        (<Plan> rule).raised = error
        return -1
    return 0


cdef class Plan:
    """What calls for a trade over a run of bars, and for which; see gc_plan.

    Parameters
    ----------
    kind : int
        Trigger: EVERY (``every`` ns), OUTSIDE (``below``, ``above``: one value or one per bar)
        or a MOVE (threshold in ``above``).
    centre : bool
        Trade the whole mismatch, or only what is beyond the edge.
    target : float
        Delta to keep.
    own_equity : bool
        Count the equity as delta (USD-neutral).
    rule : callable(bar, mismatch, last_ns, last_price) -> float, optional
        Delta to add, in place of what the trigger would.
    """

    cdef gc_plan plan
    cdef Py_ssize_t size
    cdef object arrays, rule, raised

    def __init__(self, int kind, const double[::1] below, const double[::1] above, int64_t every, bint centre,
                 double target, bint own_equity=False, rule=None):
        self.size = above.shape[0]
        if not self.size or below.shape[0] != self.size:
            raise ValueError("below and above must have one entry, or one per bar")
        self.arrays, self.rule = (below, above), rule
        self.plan.kind, self.plan.per_bar, self.plan.centre = kind, self.size > 1, centre
        self.plan.own_equity, self.plan.every, self.plan.target = own_equity, every, target
        self.plan.below = &below[0]
        self.plan.above = &above[0]
        if rule is not None:
            self.plan.rule, self.plan.ask = <void *> self, ask

    cdef int fits(self, const gc_run *run) except -1:
        """Check that there is an edge for every bar, and the equity where it counts."""
        if self.plan.per_bar and self.size != run.n:
            raise ValueError("below and above must have one entry, or one per bar")
        if self.plan.own_equity and run.value == NULL:
            raise ValueError("value is needed, one entry per bar")
        return 0

    def next(self, Bars bars not None, Py_ssize_t bar, double amount, int64_t last_ns, double last_price):
        """Find the first bar, from ``bar`` on, that calls for a trade; how many bars there are if none does.

        Parameters
        ----------
        bars : Bars
            Its contract is asked for its settlement alone.
        bar : int
        amount : float
            Of the hedge held.
        last_ns, last_price : int and float
            Time and price of the last decision.
        """
        cdef gc_position held
        if bar < 0:
            raise ValueError(f"bar must not be negative, got {bar}")
        if self.plan.own_equity:
            raise ValueError("where the equity counts as delta, the amount of the hedge does not say when")
        self.fits(&bars.run)
        held.amount, held.last_ns, held.last_price = amount, last_ns, last_price
        if bar >= bars.run.n:
            return bars.run.n
        return gc_next_decision(&bars.run, &self.plan, &held, bar)

    cdef int failed(self, ptrdiff_t code) except -1:
        """Raise what a walk ended with."""
        if code >= 0:
            return 0
        if code == -2:
            raise MemoryError
        raised, self.raised = self.raised, None
        raise raised


cdef class Bars:
    """A run of bars of one contract, to be hedged over; see gc_run.

    Parameters
    ----------
    contract : Contract
    entry : int
        Of the tape: the first bar.
    ts_ns, price, rate, interest : arrays, shape (n,)
        Time, mark of the hedge, USD per coin, funding accumulator.
    options : array, shape (n,)
        Delta of the options that is to be hedged, coin.
    value : array, shape (n,), optional
        Value of the options, needed where the equity counts as delta.
    """

    cdef gc_run run
    cdef object arrays
    cdef Contract contract

    def __init__(self, Contract contract not None, Py_ssize_t entry, const int64_t[::1] ts_ns,
                 const double[::1] price, const double[::1] rate, const double[::1] interest,
                 const double[::1] options, const double[::1] value=None):
        cdef Py_ssize_t n = ts_ns.shape[0]
        cdef const double[::1] column
        for column in (price, rate, interest, options, options if value is None else value):
            if column.shape[0] != n:
                raise ValueError(f"arrays of a run must have {n} entries each")
        self.arrays, self.contract = (ts_ns, price, rate, interest, options, value), contract
        self.run.n, self.run.entry, self.run.contract = n, entry, &contract.c
        if n:
            self.run.ts_ns, self.run.price, self.run.rate = &ts_ns[0], &price[0], &rate[0]
            self.run.interest, self.run.options = &interest[0], &options[0]
            if value is not None:
                self.run.value = &value[0]

    cdef int fits(self, Working working) except -1:
        if self.run.entry < 0 or self.run.entry + self.run.n > working.size:
            last = self.run.entry + self.run.n
            raise ValueError(f"entries {self.run.entry} to {last} are not on a tape of {working.size}")
        return 0


def hedge(Position position not None, Bars bars not None, Plan plan not None, Working working not None):
    """Walk a run of bars; the position is changed in place.

    Returns
    -------
    trades : Rows
        Their bars counted from the first.
    decisions : int
        How often the trigger fired.
    """
    rows = Rows()
    cdef gc_trades *added = &rows.all
    cdef ptrdiff_t decisions
    bars.fits(working)
    plan.fits(&bars.run)
    with nogil:
        decisions = gc_walk_rows(&position.p, &bars.run, &plan.plan, &working.w, added)
    plan.failed(decisions)
    return rows, decisions


include "held.pxi"


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


def cost_sums(bint inverse, const double[::1] rate, const int64_t[::1] points, const double[::1] amount,
              const double[::1] price, const double[::1] mark, const double[::1] fee):
    """Sum what the fills of a hedge cost over a path.

    Parameters
    ----------
    inverse : bool
        Settlement.
    rate : array, shape (n + 1,)
        Units of the other currency for one of the native.
    points, amount, price, mark, fee : arrays, shape (fills,)
        Where each fill takes place, its signed amount, price, mark and fee.

    Returns
    -------
    array, shape (2, 2)
        Fees and spread, negative where it costs; native and other currency.
    """
    cdef Py_ssize_t n = rate.shape[0], fills = points.shape[0]
    cdef const double[::1] column
    if n < 1:
        raise ValueError("a path has at least one point")
    for column in (amount, price, mark, fee):
        if column.shape[0] != fills:
            raise ValueError(f"arrays of fills must have {fills} entries each")
    sums = np.zeros((GC_COST_SUMS, 2))
    cdef double[:, ::1] out = sums
    if fills:
        gc_sum_costs(inverse, n - 1, &rate[0], fills, &points[0], &amount[0], &price[0], &mark[0], &fee[0],
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
