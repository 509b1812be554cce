# cython: auto_pickle=False, autotestdict=False, embedsignature=False
"""The compiled hedging simulator, and many positions along the same paths. Private: their public faces are
gammacore.backtest.simulation.montecarlo and gammacore.breakeven."""

cimport numpy as cnp
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

cdef extern from "hedge_levels.h" nogil:
    enum:
        GC_NEVER
        GC_INTERVAL
        GC_BAND
        GC_MOVE_USD
        GC_MOVE_RELATIVE
        GC_MOVE_SIGMA
        GC_WHALLEY_WILMOTT
        GC_ZAKAMOULINE
        GC_FIXED_COST
        GC_GBM
        GC_HESTON
        GC_MERTON
        GC_GARCH
        GC_BOOTSTRAP
        GC_GIVEN
        GC_DELTA_BLACK
        GC_DELTA_COIN
        GC_DELTA_USD
        GC_OUT_COLUMNS
        GC_MAX_JUMPS
        GC_BLOCK
        GC_FAN_COLUMNS
        GC_FAN_RULE_BYTES
        GC_FAN_POINT_BYTES

    ctypedef struct gc_policy:
        int kind
        double lower, upper, to_edge, threshold, root_horizon, risk_aversion, cost, dust
        int64_t every

    ctypedef struct gc_model:
        int kind
        double drift, step_vol, dt, root_dt, variance
        double kappa, theta, xi, rho, rho_complement
        double jump_mean, jump_sd
        int jump_terms
        double jump_cdf[64]
        double omega, alpha, gamma, beta, cap
        const double *data
        int64_t count, block
        const double *cumulant
        double per_unit
        int64_t pieces
        const double *shift
        double jump_chance

    ctypedef struct gc_group:
        double strike, log_strike, expiry
        int64_t expiry_step
        double calls_and_puts, puts, hedge_vol, mark_vol, end_vol, size

    ctypedef struct gc_simulation:
        int64_t steps, window
        double dt, start, years
        gc_model model
        int groups
        const gc_group *group
        gc_policy policy
        int inverse, numeraire, hedge_at_start, liquidate
        double ratio, target, fee, fixed_fee, half_spread, funding, premium, financed, entry_fee
        uint64_t seed

    ctypedef struct gc_fan_leg:
        double log_strike, expiry
        int64_t end
        double amount, puts, vol

    ctypedef struct gc_fan:
        int64_t steps, paths
        const float *moves
        const float *pace
        const double *time
        int64_t vols
        const double *vol
        double look
        int64_t positions, legs
        const gc_fan_leg *leg
        gc_policy policy
        float *log_price
        float *price
        float *inverse

    ctypedef struct gc_hedge_kernels:
        void (*simulate)(const gc_simulation *, ptrdiff_t, ptrdiff_t, double *const *) noexcept nogil
        void (*write_paths)(const gc_simulation *, ptrdiff_t, ptrdiff_t, double *) noexcept nogil
        void (*fan)(const gc_fan *, void *, float *const *) noexcept nogil
        double (*fan_chance)(int64_t, const float *, const float *, float, float, float, float) noexcept nogil

    const gc_hedge_kernels *gc_hedge_table(int level) noexcept
    void gc_philox(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t *, uint64_t *) noexcept
    void gc_normal_pair(double, double *, double *) noexcept
    void gc_normals(uint64_t, uint64_t, double *, double *) noexcept

cnp.import_array()

NEVER, INTERVAL, BAND = GC_NEVER, GC_INTERVAL, GC_BAND
MOVE_USD, MOVE_RELATIVE, MOVE_SIGMA = GC_MOVE_USD, GC_MOVE_RELATIVE, GC_MOVE_SIGMA
WHALLEY_WILMOTT, ZAKAMOULINE, FIXED_COST = GC_WHALLEY_WILMOTT, GC_ZAKAMOULINE, GC_FIXED_COST
GBM, HESTON, MERTON, GARCH, BOOTSTRAP, GIVEN = GC_GBM, GC_HESTON, GC_MERTON, GC_GARCH, GC_BOOTSTRAP, GC_GIVEN
DELTA_BLACK, DELTA_COIN, DELTA_USD = GC_DELTA_BLACK, GC_DELTA_COIN, GC_DELTA_USD
MAX_JUMPS = GC_MAX_JUMPS
BLOCK = GC_BLOCK  # paths of the fan come in multiples of it

# In the order of the enum in hedge.h.
COLUMNS = ("pnl", "pnl_usd", "trades", "turnover", "fees", "spread", "funding", "hedge", "options", "delta", "gamma",
           "theta", "vega", "higher_order", "mean_square_mismatch", "realised_variance", "price")


cdef int take_policy(gc_policy *to, policy) except -1:
    """The fields that gammacore.hedging.compiled names; those it does not name are nil."""
    for name, value in policy.items():
        if name == "kind": to.kind = value
        elif name == "lower": to.lower = value
        elif name == "upper": to.upper = value
        elif name == "to_edge": to.to_edge = value
        elif name == "threshold": to.threshold = value
        elif name == "root_horizon": to.root_horizon = value
        elif name == "risk_aversion": to.risk_aversion = value
        elif name == "cost": to.cost = value
        elif name == "dust": to.dust = value
        elif name == "every": to.every = value
        else: raise TypeError(name)
    return 0


cdef class Engine:
    """One simulation as the core wants it; safe to run from several threads at once.

    Built by gammacore.backtest.simulation.montecarlo, which has checked everything: the fields of the structs
    in hedge.h by name, groups as tuples in the order of gc_group.
    """

    cdef gc_simulation s
    cdef gc_group *group
    cdef object data, cumulant, shift

    def __cinit__(self, *, grid, model, book, policy, accounts, costs, seed):
        cdef int i
        self.s.steps, self.s.dt, self.s.start, self.s.window = grid
        self.s.years = self.s.steps * self.s.dt
        self.s.seed = seed
        self.take_book(book)
        self.take_model(model)
        take_policy(&self.s.policy, policy)
        (self.s.inverse, self.s.numeraire, self.s.hedge_at_start, self.s.liquidate, self.s.ratio,
         self.s.target, self.s.premium, self.s.financed, self.s.entry_fee) = accounts
        self.s.fee, self.s.fixed_fee, self.s.half_spread, self.s.funding = costs

    def __dealloc__(self):
        PyMem_Free(self.group)

    cdef int take_book(self, book) except -1:
        cdef int i
        self.group = <gc_group *>PyMem_Calloc(max(len(book), 1), sizeof(gc_group))
        if self.group == NULL:
            raise MemoryError()
        for i, row in enumerate(book):
            (self.group[i].strike, self.group[i].log_strike, self.group[i].expiry, self.group[i].expiry_step,
             self.group[i].calls_and_puts, self.group[i].puts, self.group[i].hedge_vol, self.group[i].mark_vol,
             self.group[i].end_vol, self.group[i].size) = row
        self.s.groups = len(book)
        self.s.group = self.group
        return 0

    cdef int take_model(self, model) except -1:
        cdef int i
        cdef gc_model *m = &self.s.model
        for name, value in model.items():
            if name == "kind": m.kind = value
            elif name == "drift": m.drift = value
            elif name == "step_vol": m.step_vol = value
            elif name == "variance": m.variance = value
            elif name == "kappa": m.kappa = value
            elif name == "theta": m.theta = value
            elif name == "xi": m.xi = value
            elif name == "rho":
                m.rho = value
                m.rho_complement = (1.0 - m.rho * m.rho) ** 0.5
            elif name == "jump_mean": m.jump_mean = value
            elif name == "jump_sd": m.jump_sd = value
            elif name == "jump_cdf":
                m.jump_terms = min(len(value), GC_MAX_JUMPS)
                for i in range(m.jump_terms):
                    m.jump_cdf[i] = value[i]
            elif name == "omega": m.omega = value
            elif name == "alpha": m.alpha = value
            elif name == "gamma": m.gamma = value
            elif name == "beta": m.beta = value
            elif name == "cap": m.cap = value
            elif name == "per_unit": m.per_unit = value
            elif name == "cumulant":
                self.cumulant = value
                m.cumulant = <const double *>cnp.PyArray_DATA(<cnp.ndarray?>value)
                m.pieces = cnp.PyArray_SIZE(<cnp.ndarray>value) // 4
            elif name == "shift":  # a function of the number of steps
                self.shift = value(self.s.steps)
                m.shift = <const double *>cnp.PyArray_DATA(<cnp.ndarray?>self.shift)
            elif name == "block": m.block = value
            elif name == "jump_chance": m.jump_chance = value
            elif name == "data":
                self.data = value
                m.data = <const double *>cnp.PyArray_DATA(<cnp.ndarray?>value)
                m.count = cnp.PyArray_SIZE(<cnp.ndarray>value)
            else: raise TypeError(name)
        m.dt = self.s.dt
        m.root_dt = self.s.dt ** 0.5
        return 0

    def run(self, int level, Py_ssize_t first, Py_ssize_t end, columns):
        """Simulate the paths [first, end) into `columns`: per name of COLUMNS an array of that length, or None."""
        cdef double *out[GC_OUT_COLUMNS]
        cdef int i
        for i, name in enumerate(COLUMNS):
            array = columns.get(name)
            out[i] = NULL if array is None else writable(array, end - first)
        with nogil:
            gc_hedge_table(level).simulate(&self.s, first, end, out)

    def prices(self, int level, Py_ssize_t first, Py_ssize_t end, cnp.ndarray out not None):
        """Prices of the paths [first, end), one row of steps + 1 each, into `out`."""
        cdef double *to = writable(out, (end - first) * (self.s.steps + 1))
        with nogil:
            gc_hedge_table(level).write_paths(&self.s, first, end, to)


def fan(int level, cnp.ndarray moves not None, cnp.ndarray pace not None, cnp.ndarray time not None, cnp.ndarray vols not None,
        double look, legs, policy, cnp.ndarray out not None):
    """Hedge many positions along the same paths.

    Everything is relative to the price at the start, see fan.h.

    moves : float32 (steps, paths), of the logarithm, for a deviation of 1 over the whole life
    pace : float32 (steps, paths), root of the variance that moves over what it is on average, negative with a jump
    time : float64 (steps + 1,), years
    vols : float64 (n,), realised: each for one n-th of the paths
    look : years between two looks of the policy
    legs : per position a list of tuples in the order of gc_fan_leg
    policy : fields of the core's policy by name
    out : float32 (3, positions, paths): gross, turnover, last hedge
    """
    cdef gc_fan f
    cdef float *to[GC_FAN_COLUMNS]
    cdef cnp.ndarray room
    cdef gc_fan_leg *leg
    cdef void *rules
    cdef Py_ssize_t p, k, each
    f.steps, f.paths = cnp.PyArray_DIM(moves, 0), cnp.PyArray_DIM(moves, 1)
    f.positions, f.legs = len(legs), len(legs[0])
    singles(moves, f.steps * f.paths)
    f.vols = cnp.PyArray_SIZE(vols)
    if f.paths % (GC_BLOCK * f.vols) or cnp.PyArray_SIZE(time) != f.steps + 1:
        raise ValueError("expected whole blocks of paths for each volatility, and a time for every step")
    f.moves, f.time, f.vol = <const float *>cnp.PyArray_DATA(moves), writable(time, f.steps + 1), writable(vols, f.vols)
    f.pace, f.look = singles(pace, f.steps * f.paths), look
    memset(&f.policy, 0, sizeof(gc_policy))
    take_policy(&f.policy, policy)
    each = f.positions * f.paths
    for k in range(GC_FAN_COLUMNS):
        to[k] = singles(out, GC_FAN_COLUMNS * each) + k * each
    leg = <gc_fan_leg *>PyMem_Calloc(f.positions * f.legs, sizeof(gc_fan_leg))
    rules = PyMem_Calloc(f.steps, GC_FAN_RULE_BYTES + f.legs * GC_FAN_POINT_BYTES)
    f.log_price = <float *>PyMem_Malloc(3 * f.paths * (f.steps + 1) * sizeof(float))
    try:
        if leg == NULL or rules == NULL or f.log_price == NULL:
            raise MemoryError()
        for p in range(f.positions):
            for k in range(f.legs):
                (leg[p * f.legs + k].log_strike, leg[p * f.legs + k].expiry, leg[p * f.legs + k].end,
                 leg[p * f.legs + k].amount, leg[p * f.legs + k].puts, leg[p * f.legs + k].vol) = legs[p][k]
        f.leg = leg
        f.price, f.inverse = f.log_price + f.paths * (f.steps + 1), f.log_price + 2 * f.paths * (f.steps + 1)
        with nogil:
            gc_hedge_table(level).fan(&f, rules, to)
    finally:
        PyMem_Free(leg)
        PyMem_Free(rules)
        PyMem_Free(f.log_price)


def chances(int level, cnp.ndarray samples not None, int64_t[:, ::1] rows, float[::1] share, float[:, :, ::1] weights,
            float[:, :, ::1] scales, float[:, ::1] means, float[:, ::1] ramps, double[:, ::1] out):
    """Chance of a profit at every outcome of every position.

    samples : float32 (knots, vols, paths), of mean 0
    rows, share : (positions, 2) and (positions,), the knots that a position lies between, and where
    weights, scales : (positions, outcomes, vols), of the samples' distributions, and how much wider they are there
    means, ramps : (positions, outcomes)
    """
    cdef int64_t vols = cnp.PyArray_DIM(samples, 1), paths = cnp.PyArray_DIM(samples, 2)
    cdef const float *base = singles(samples, cnp.PyArray_SIZE(samples))
    cdef const float *one
    cdef const float *other
    cdef double found
    cdef float scale
    cdef Py_ssize_t p, j, k
    if paths % GC_BLOCK:
        raise ValueError("expected whole blocks of paths")
    with nogil:
        for p in range(rows.shape[0]):
            one, other = base + rows[p, 0] * vols * paths, base + rows[p, 1] * vols * paths
            for j in range(means.shape[1]):
                found = 0.0
                for k in range(vols):
                    if weights[p, j, k] > 0.0:
                        scale = scales[p, j, k]
                        found += weights[p, j, k] * gc_hedge_table(level).fan_chance(
                            paths, one + k * paths, other + k * paths, (1 - share[p]) * scale, share[p] * scale,
                            means[p, j], ramps[p, j])
                out[p, j] = found


cdef float *singles(cnp.ndarray array, Py_ssize_t size) except NULL:
    if (cnp.PyArray_TYPE(array) != cnp.NPY_FLOAT or not cnp.PyArray_ISCARRAY(array)
            or cnp.PyArray_SIZE(array) < size or size == 0):
        raise ValueError("expected a contiguous float32 array of the right size")
    return <float *>cnp.PyArray_DATA(array)


cdef double *writable(cnp.ndarray array, Py_ssize_t size) except NULL:
    if (cnp.PyArray_TYPE(array) != cnp.NPY_DOUBLE or not cnp.PyArray_ISCARRAY(array)
            or cnp.PyArray_SIZE(array) < size or size == 0):
        raise ValueError("expected a contiguous float64 array of the right size")
    return <double *>cnp.PyArray_DATA(array)


def philox(counter, key):
    """The four 32-bit words that Philox4x32-10 makes of four words of counter and two of key; for tests."""
    cdef uint64_t first, second
    gc_philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1], &first, &second)
    return (first & 0xffffffff, first >> 32, second & 0xffffffff, second >> 32)


def normal_pair(double d):
    """N(d) and phi(d) as deltas use them; for tests."""
    cdef double distribution, density
    gc_normal_pair(d, &distribution, &density)
    return distribution, density


def normals(uint64_t radius_bits, uint64_t angle_bits):
    """Two normals from 128 bits; for tests."""
    cdef double one, other
    gc_normals(radius_bits, angle_bits, &one, &other)
    return one, other
