# cython: auto_pickle=False, autotestdict=False, embedsignature=False
"""The compiled hedging simulator. Private: gammacore.backtest.simulation.montecarlo is its public face."""

cimport numpy as cnp
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t, uint64_t

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

    ctypedef struct gc_hedge_kernels:
        void (*simulate)(const gc_simulation *, ptrdiff_t, ptrdiff_t, double *const *) noexcept nogil
        void (*write_paths)(const gc_simulation *, ptrdiff_t, ptrdiff_t, double *) noexcept nogil

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

# In the order of the enum in hedge.h.
COLUMNS = ("pnl", "pnl_usd", "trades", "turnover", "fees", "spread", "funding", "hedge", "options", "delta", "gamma",
           "theta", "vega", "higher_order", "mean_square_mismatch", "realised_variance", "price")


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
        for name, value in policy.items():
            if name == "kind": self.s.policy.kind = value
            elif name == "lower": self.s.policy.lower = value
            elif name == "upper": self.s.policy.upper = value
            elif name == "to_edge": self.s.policy.to_edge = value
            elif name == "threshold": self.s.policy.threshold = value
            elif name == "root_horizon": self.s.policy.root_horizon = value
            elif name == "risk_aversion": self.s.policy.risk_aversion = value
            elif name == "cost": self.s.policy.cost = value
            elif name == "dust": self.s.policy.dust = value
            elif name == "every": self.s.policy.every = value
            else: raise TypeError(name)
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
