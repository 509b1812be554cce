# cython: auto_pickle=False, autotestdict=False, embedsignature=False
"""The compiled core: fast paths of the public functions, and the loops for everything else.

Private. gammacore.black76, gammacore.black_scholes, gammacore.inverse and gammacore.chain
are its public face. A call whose arguments are plain numbers and contiguous float64 arrays of
one shape is served here; gammacore._arrays settles every other case.
"""

cimport numpy as cnp
from cpython.exc cimport PyErr_Clear, PyErr_Occurred
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.long cimport PyLong_AsDouble, PyLong_Check
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

import numpy as np

cdef extern from "levels.h" nogil:
    enum:
        GC_LEVELS
        GC_BLACK76
        GC_BLACK_SCHOLES
        GC_INVERSE
        GC_INVERSE_COIN
        GC_EXPLICIT
        GC_NEWTON
        GC_UNDERLYING
        GC_STRIKE
        GC_TAU
        GC_VOL
        GC_RATE
        GC_DIVIDEND
        GC_COLUMNS
        GC_OUTPUTS
        GC_NET_DELTA
        GC_IV_OK
        GC_IV_BELOW_INTRINSIC
        GC_IV_AT_INTRINSIC
        GC_IV_ABOVE_BOUND
        GC_IV_NOT_FINITE
        GC_IV_EXPIRED

    ctypedef struct gc_column:
        const double *data
        ptrdiff_t step

    ctypedef struct gc_inputs:
        const signed char *kind
        ptrdiff_t kind_step
        gc_column column[6]

    ctypedef struct gc_kernels:
        void (*price)(int, const gc_inputs *, ptrdiff_t, ptrdiff_t, double *) noexcept nogil
        void (*greeks)(int, const gc_inputs *, ptrdiff_t, ptrdiff_t, double *const *) noexcept nogil
        void (*implied_vol)(int, int, const gc_inputs *, ptrdiff_t, ptrdiff_t, double *,
                            signed char *) noexcept nogil
        void (*analyse)(int, const gc_inputs *, ptrdiff_t, ptrdiff_t, double *, signed char *,
                        double *const *) noexcept nogil
        void (*vol_interval)(int, const gc_inputs *, ptrdiff_t, ptrdiff_t, double *, double *) noexcept nogil
        double (*price_point)(int, double, const double *) noexcept nogil
        double (*implied_point)(int, double, const double *, int *) noexcept nogil

    const gc_kernels *gc_table(int level) noexcept
    bint gc_level_supported(int level) noexcept
    bint gc_kinds_valid(const signed char *kind, ptrdiff_t n) noexcept

cdef extern from "taylor.h" nogil:
    enum:
        GC_SUMS

    ctypedef struct gc_greeks_at:
        const double *price
        const double *delta
        const double *gamma
        const double *theta
        const double *vega
        const double *vanna
        const double *volga
        const double *charm

    ctypedef struct gc_taylor:
        pass

    ctypedef void gc_taylor_summer(int inverse, ptrdiff_t n, const gc_greeks_at *g, const double *F,
                                   const double *tau, const double *vol, const double *rate, gc_taylor *all)
    gc_taylor_summer *gc_best_taylor()
    void gc_end_taylor(const gc_taylor *all, double (*sums)[2])

cdef extern from "years.h" nogil:
    ctypedef void gc_years_writer(ptrdiff_t n, int64_t end_ns, const int64_t *ts_ns, double *years)
    gc_years_writer *gc_best_years()

cdef gc_taylor_summer *gc_sum_taylor = gc_best_taylor()
cdef gc_years_writer *gc_write_years = gc_best_years()

cnp.import_array()

BLACK76 = GC_BLACK76
BLACK_SCHOLES = GC_BLACK_SCHOLES
INVERSE = GC_INVERSE
INVERSE_COIN = GC_INVERSE_COIN

OK = GC_IV_OK
BELOW_INTRINSIC = GC_IV_BELOW_INTRINSIC
AT_INTRINSIC = GC_IV_AT_INTRINSIC
ABOVE_BOUND = GC_IV_ABOVE_BOUND
NOT_FINITE = GC_IV_NOT_FINITE
EXPIRED = GC_IV_EXPIRED

# In the order of the enum in inputs.h.
GREEKS = ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm", "speed", "zomma",
          "color", "veta", "ultima", "dual_delta", "dual_gamma", "net_delta")

# ---- level -------------------------------------------------------------------------

LEVELS = ("baseline", "avx2", "avx512")
cdef const gc_kernels *kernels = gc_table(0)
cdef int current = 0


def supported_levels():
    """The levels that this build and CPU have, slowest first."""
    return tuple(name for i, name in enumerate(LEVELS) if gc_level_supported(i))


def use_level(str name):
    """Use this level from now on, in all threads; for tests and GAMMACORE_SIMD."""
    global kernels, current
    if name not in LEVELS:
        raise ValueError(f"unknown SIMD level {name!r}: use one of {', '.join(LEVELS)}")
    if name not in supported_levels():
        raise ValueError(f"this CPU or build has no {name!r}: it has {', '.join(supported_levels())}")
    current = LEVELS.index(name)
    kernels = gc_table(current)


def simd_level():
    """Instruction set that the array kernels use: "baseline", "avx2" or "avx512".

    The best one that the CPU has, unless the environment variable GAMMACORE_SIMD named
    another when gammacore was imported.

    Returns
    -------
    str

    Examples
    --------
    >>> import gammacore as gc
    >>> gc.simd_level() in ("baseline", "avx2", "avx512")
    True
    """
    return LEVELS[current]


# ---- arguments ---------------------------------------------------------------------

# Below this many options, letting other threads run costs more than it gives.
cdef Py_ssize_t RELEASE_FROM = 1000


cdef struct gathered:
    gc_inputs inputs
    double values[6]
    signed char sign
    int ndim               # -1 as long as there are only numbers
    cnp.npy_intp *dims
    Py_ssize_t n


cdef inline bint same_shape(gathered *g, cnp.ndarray array) noexcept:
    """Whether `array` has the shape of those before it; the first one sets it."""
    cdef int i, ndim = cnp.PyArray_NDIM(array)
    cdef cnp.npy_intp *dims = cnp.PyArray_DIMS(array)
    if g.ndim < 0:
        if ndim == 0:
            return False
        g.ndim = ndim
        g.dims = dims
        g.n = cnp.PyArray_SIZE(array)
        return True
    if ndim != g.ndim:
        return False
    for i in range(ndim):
        if dims[i] != g.dims[i]:
            return False
    return True


cdef inline bint take(gathered *g, int slot, object value) noexcept:
    """Make `value` a column if it is a plain number or a fitting array."""
    cdef double number
    if PyFloat_Check(value):
        g.values[slot] = PyFloat_AS_DOUBLE(value)
    elif cnp.PyArray_CheckExact(value):
        if cnp.PyArray_TYPE(<cnp.ndarray>value) != cnp.NPY_DOUBLE or not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>value):
            return False
        if not same_shape(g, <cnp.ndarray>value):
            return False
        g.inputs.column[slot].data = <const double *>cnp.PyArray_DATA(<cnp.ndarray>value)
        g.inputs.column[slot].step = 1
        return True
    elif PyLong_Check(value):
        try:
            number = PyLong_AsDouble(value)
        except OverflowError:
            return False
        g.values[slot] = number
    else:
        return False
    g.inputs.column[slot].data = &g.values[slot]
    g.inputs.column[slot].step = 0
    return True


cdef inline int sign_of(object kind) noexcept:
    """+1 or -1 for the usual ways to say so, else 0."""
    if PyUnicode_Check(kind):
        if <str>kind == "call" or <str>kind == "c":
            return 1
        if <str>kind == "put" or <str>kind == "p":
            return -1
    elif PyLong_Check(kind):
        if kind == 1:
            return 1
        if kind == -1:
            return -1
    return 0


cdef inline bint take_kind(gathered *g, object kind, bint checked) noexcept:
    """`checked`: an array is known to hold nothing but +1 and -1."""
    cdef int sign = sign_of(kind)
    if sign:
        g.sign = <signed char>sign
        g.inputs.kind = &g.sign
        g.inputs.kind_step = 0
        return True
    if not cnp.PyArray_CheckExact(kind):
        return False
    if cnp.PyArray_TYPE(<cnp.ndarray>kind) != cnp.NPY_INT8 or not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>kind):
        return False
    if not same_shape(g, <cnp.ndarray>kind):
        return False
    g.inputs.kind = <const signed char *>cnp.PyArray_DATA(<cnp.ndarray>kind)
    g.inputs.kind_step = 1
    return checked or gc_kinds_valid(g.inputs.kind, g.n)


def kinds_valid(cnp.ndarray kind):
    """Whether a contiguous int8 array holds nothing but +1 and -1."""
    if cnp.PyArray_TYPE(kind) != cnp.NPY_INT8 or not cnp.PyArray_ISCARRAY_RO(kind):
        return False
    return gc_kinds_valid(<const signed char *>cnp.PyArray_DATA(kind), cnp.PyArray_SIZE(kind))


cdef inline bint take_all(gathered *g, object kind, object underlying, object strike, object tau, object vol,
                          object rate, object dividend, bint checked=False) noexcept:
    g.ndim = -1
    g.n = 1
    return (take_kind(g, kind, checked) and take(g, GC_UNDERLYING, underlying) and take(g, GC_STRIKE, strike)
            and take(g, GC_TAU, tau) and take(g, GC_VOL, vol) and take(g, GC_RATE, rate)
            and take(g, GC_DIVIDEND, dividend))


cdef inline const double *point_values(gathered *g) noexcept:
    """The numbers of the only option."""
    cdef int slot
    for slot in range(GC_COLUMNS):
        g.values[slot] = g.inputs.column[slot].data[0]
    return g.values


cdef inline object new_array(gathered *g):
    return cnp.PyArray_EMPTY(g.ndim, g.dims, cnp.NPY_DOUBLE, 0)


cdef tuple new_arrays(gathered *g, Py_ssize_t count):
    """Several at once. Large ones are rows of one block: many separate ones would make malloc
    give the memory back to the system each time, and fetch it page by page again."""
    cdef cnp.npy_intp dims[65]
    cdef int i
    if g.n < 1000:
        return tuple([cnp.PyArray_EMPTY(g.ndim, g.dims, cnp.NPY_DOUBLE, 0) for _ in range(count)])
    dims[0] = count
    for i in range(g.ndim):
        dims[i + 1] = g.dims[i]
    return tuple(cnp.PyArray_EMPTY(g.ndim + 1, dims, cnp.NPY_DOUBLE, 0))


cdef bint fits(gathered *g, object out) noexcept:
    """Whether the loop can write straight into `out`."""
    cdef int slot
    cdef const char *start
    cdef const char *column
    if not cnp.PyArray_CheckExact(out) or cnp.PyArray_TYPE(<cnp.ndarray>out) != cnp.NPY_DOUBLE:
        return False
    if not cnp.PyArray_ISCARRAY(<cnp.ndarray>out) or not same_shape(g, <cnp.ndarray>out):
        return False
    start = <const char *>cnp.PyArray_DATA(<cnp.ndarray>out)
    if g.inputs.kind_step and <const char *>g.inputs.kind < start + 8 * g.n and start < <const char *>g.inputs.kind + g.n:
        return False
    for slot in range(GC_COLUMNS):
        column = <const char *>g.inputs.column[slot].data
        if g.inputs.column[slot].step and column < start + 8 * g.n and start < column + 8 * g.n:
            return False
    return True


cdef inline double *data_of(object array) noexcept:
    return <double *>cnp.PyArray_DATA(<cnp.ndarray>array)


cdef int expect(bint valid) except -1:
    if not valid:
        raise ValueError("columns must be numbers or contiguous arrays of one length")
    return 0


# ---- price -------------------------------------------------------------------------

cdef object price_fast(int model, object kind, object underlying, object strike, object tau, object vol,
                       object rate, object dividend, object out):
    """Price or prices, or None if this is not for the fast path."""
    cdef gathered g
    cdef object target
    if not take_all(&g, kind, underlying, strike, tau, vol, rate, dividend):
        return None
    if g.ndim < 0:
        return None if out is not None else kernels.price_point(model, g.sign, g.values)
    if out is None:
        target = new_array(&g)
    elif fits(&g, out):
        target = out
    else:
        return None
    if g.n == 1:
        data_of(target)[0] = kernels.price_point(model, g.inputs.kind[0], point_values(&g))
    else:
        run_price(model, &g.inputs, 0, g.n, data_of(target))
    return target


cdef void run_price(int model, gc_inputs *inputs, Py_ssize_t first, Py_ssize_t end, double *out) noexcept:
    if end - first < RELEASE_FROM:
        kernels.price(model, inputs, first, end, out)
    else:
        with nogil:
            kernels.price(model, inputs, first, end, out)


def price_into(int model, kind, underlying, strike, tau, vol, rate, dividend, cnp.ndarray out,
               Py_ssize_t first, Py_ssize_t end):
    """Lanes [first, end) of flat columns; a column is an array like `out` or a number.

    Kinds are taken for what they should be: gammacore._arrays has looked at them.
    """
    cdef gathered g
    expect(take_all(&g, kind, underlying, strike, tau, vol, rate, dividend, True) and fits(&g, out))
    run_price(model, &g.inputs, first, end, data_of(out))


# ---- Greeks ------------------------------------------------------------------------

def greeks_fast(int model, kind, underlying, strike, tau, vol, rate, dividend, tuple slots, out):
    """Tuple of the Greeks in `slots`, or None if this is not for the fast path."""
    cdef gathered g
    cdef double values[17]
    cdef double *target[17]
    cdef Py_ssize_t i, count = len(slots)
    cdef int slot
    if not take_all(&g, kind, underlying, strike, tau, vol, rate, dividend):
        return None
    for i in range(GC_OUTPUTS):
        target[i] = NULL
    if g.ndim < 0:
        if out is not None:
            return None
        for i in range(count):
            slot = slots[i]
            target[slot] = &values[slot]
        kernels.greeks(model, &g.inputs, 0, 1, target)
        return tuple([values[<int>slot] for slot in slots])
    if out is None:
        out = new_arrays(&g, count)
    elif type(out) is tuple or isinstance(out, tuple):
        if len(out) != count:
            return None
        for row in out:
            if not fits(&g, row):
                return None
    else:
        return None
    for i in range(count):
        slot = slots[i]
        target[slot] = data_of(out[i])
    run_greeks(model, &g.inputs, 0, g.n, target)
    return out


cdef void run_greeks(int model, gc_inputs *inputs, Py_ssize_t first, Py_ssize_t end, double **out) noexcept:
    if end - first < RELEASE_FROM:
        kernels.greeks(model, inputs, first, end, out)
    else:
        with nogil:
            kernels.greeks(model, inputs, first, end, out)


cdef int point_at(gathered *g, tuple slots, tuple out, double **target) except -1:
    """Row pointers by slot; all rows must fit."""
    for i in range(GC_OUTPUTS):
        target[i] = NULL
    for slot, row in zip(slots, out, strict=True):
        expect(fits(g, row))
        target[<int>slot] = data_of(row)
    return 0


def greeks_into(int model, kind, underlying, strike, tau, vol, rate, dividend, tuple slots, tuple out,
                Py_ssize_t first, Py_ssize_t end):
    """Like price_into, one output for each slot."""
    cdef gathered g
    cdef double *target[17]
    expect(take_all(&g, kind, underlying, strike, tau, vol, rate, dividend, True))
    point_at(&g, slots, out, target)
    run_greeks(model, &g.inputs, first, end, target)


# ---- chains listed -----------------------------------------------------------------------

def row_of(cnp.ndarray expiry_ns, cnp.ndarray strike, cnp.ndarray kind, int64_t expiry, double at, int sign):
    """Find the first row of a chain that is a contract, -1 where none is.

    Parameters
    ----------
    expiry_ns, strike, kind : arrays of int64, float64 and int8, shape (n,)
    expiry, at, sign
        Of the contract.
    """
    cdef const int64_t *expiries
    cdef const double *strikes
    cdef const signed char *kinds
    cdef Py_ssize_t n = cnp.PyArray_SIZE(strike), row
    expiry_ns = cnp.PyArray_FROMANY(expiry_ns, cnp.NPY_INT64, 1, 1, cnp.NPY_ARRAY_CARRAY_RO)
    strike = cnp.PyArray_FROMANY(strike, cnp.NPY_DOUBLE, 1, 1, cnp.NPY_ARRAY_CARRAY_RO)
    kind = cnp.PyArray_FROMANY(kind, cnp.NPY_INT8, 1, 1, cnp.NPY_ARRAY_CARRAY_RO)
    expect(cnp.PyArray_SIZE(expiry_ns) == n and cnp.PyArray_SIZE(kind) == n)
    expiries, strikes = <const int64_t *>cnp.PyArray_DATA(expiry_ns), <const double *>cnp.PyArray_DATA(strike)
    kinds = <const signed char *>cnp.PyArray_DATA(kind)
    for row in range(n):
        if strikes[row] == at and kinds[row] == sign and expiries[row] == expiry:
            return row
    return -1


# ---- axes of time ------------------------------------------------------------------------

def spliced(cnp.ndarray values, const int64_t[::1] places, cnp.ndarray added):
    """Put numbers in among others, each before the one that has its place.

    Parameters
    ----------
    values : array, shape (n,)
        Numbers of eight bytes.
    places : array of int64, shape (m,)
        Ascending, from 0 to n.
    added : array, shape (m,)
        Of the same type.

    Returns
    -------
    array, shape (n + m,)
    """
    cdef Py_ssize_t n = cnp.PyArray_SIZE(values), m = places.shape[0], k, first = 0, end
    cdef cnp.npy_intp size = n + m
    cdef int kind = cnp.PyArray_TYPE(values)
    values, added = np.ascontiguousarray(values), np.ascontiguousarray(added)
    expect(cnp.PyArray_ITEMSIZE(values) == 8 and cnp.PyArray_TYPE(added) == kind and cnp.PyArray_SIZE(added) == m)
    out = cnp.PyArray_EMPTY(1, &size, kind, 0)
    cdef const int64_t *old = <const int64_t *>cnp.PyArray_DATA(values)
    cdef const int64_t *new = <const int64_t *>cnp.PyArray_DATA(added)
    cdef int64_t *target = <int64_t *>cnp.PyArray_DATA(<cnp.ndarray>out)
    for k in range(m + 1):
        end = places[k] if k < m else n
        if not first <= end <= n:
            raise ValueError(f"places must ascend from 0 to {n}, got {end} after {first}")
        memcpy(target + first + k, old + first, (end - first) * sizeof(int64_t))
        if k < m:
            target[end + k] = new[k]
        first = end
    return out


def repeated(cnp.ndarray values, list places):
    """Repeat rows where something was added: at each place the row before it.

    Parameters
    ----------
    values : array, shape (n, ...)
        Contiguous.
    places : list of int
        Where the repeated rows are in the result, ascending, each at least 1.

    Returns
    -------
    array, shape (n + len(places), ...)
    """
    cdef Py_ssize_t n = cnp.PyArray_DIM(values, 0), m = len(places), k, first = 0, end
    cdef Py_ssize_t row = cnp.PyArray_STRIDE(values, 0)
    cdef cnp.npy_intp dims[32]
    cdef int i, ndim = cnp.PyArray_NDIM(values)
    if not cnp.PyArray_ISCARRAY_RO(values):
        raise ValueError("rows to repeat must be contiguous")
    for i in range(ndim):
        dims[i] = cnp.PyArray_DIM(values, i)
    dims[0] = n + m
    out = cnp.PyArray_EMPTY(ndim, dims, cnp.PyArray_TYPE(values), 0)
    cdef const char *old = <const char *>cnp.PyArray_DATA(values)
    cdef char *target = <char *>cnp.PyArray_DATA(<cnp.ndarray>out)
    for k in range(m + 1):
        end = <Py_ssize_t>places[k] - k if k < m else n
        if not first <= end <= n or end < 1:
            raise ValueError(f"places must ascend from 1 to {n + m}, got {places}")
        memcpy(target + (first + k) * row, old + first * row, (end - first) * row)
        if k < m:
            memcpy(target + (end + k) * row, old + (end - 1) * row, row)
        first = end
    return out


def longest_step(const int64_t[::1] ts_ns):
    """Find the longest step between moments that ascend, and how many are as long; 0 where there is none."""
    cdef Py_ssize_t k
    cdef int64_t longest = 0, times = 0
    for k in range(ts_ns.shape[0] - 1):
        longest = max(longest, ts_ns[k + 1] - ts_ns[k])
    for k in range(ts_ns.shape[0] - 1):
        times += ts_ns[k + 1] - ts_ns[k] == longest
    return longest, times


def years_to(int64_t end_ns, const int64_t[::1] ts_ns):
    """Years from some moments to a later one, not below zero.

    Parameters
    ----------
    end_ns : int
    ts_ns : array of int64, shape (n,)

    Returns
    -------
    array, shape (n,)
    """
    cdef Py_ssize_t n = ts_ns.shape[0]
    years = np.empty(n)
    cdef double[::1] out = years
    if n:
        gc_write_years(n, end_ns, &ts_ns[0], &out[0])
    return years


# ---- sums over a path ------------------------------------------------------------------

cdef enum:
    TAYLOR_STEPS = 512  # at a time: few enough for their Greeks to stay in the nearest memory


def taylor_sums(bint inverse, int kind, double strike, const double[::1] forward, const double[::1] tau,
                vol, const double[::1] rate):
    """Sum the Taylor lines of one option over a path.

    Parameters
    ----------
    inverse : bool
        Settlement; the greeks are then those of gammacore.inverse, the delta its net_delta.
    kind : int
        +1 or -1.
    strike : float
    forward, tau, vol, rate : arrays, shape (n + 1,)
        The path; ``rate`` is units of the other currency for one of the native. A volatility that does not
        change may be one number.

    Returns
    -------
    array, shape (9, 2)
        Delta, gamma, theta, vega, vanna, volga, charm, the model's whole move, and the move of the
        price that the hedge is linear in; native and other currency.
    """
    cdef Py_ssize_t points = forward.shape[0], first = 0, steps
    cdef gathered g
    cdef gc_taylor all
    cdef gc_greeks_at at
    cdef double room[8][TAYLOR_STEPS + 1]
    cdef double *target[17]
    cdef double level[TAYLOR_STEPS + 1]
    cdef const double[::1] vols
    cdef const double *vol_at = level
    cdef int k, moves = not isinstance(vol, float)
    if points < 1 or kind != 1 and kind != -1:
        raise ValueError("a path of at least one point and a kind are needed")
    if moves:
        vols = vol
        vol_at = &vols[0]
    else:
        for k in range(TAYLOR_STEPS + 1):
            level[k] = vol
    if tau.shape[0] != points or moves and vols.shape[0] != points or rate.shape[0] != points:
        raise ValueError(f"arrays of a path must have {points} entries each")
    memset(&all, 0, sizeof(all))
    memset(target, 0, sizeof(target))
    for k, name in enumerate(("price", "net_delta" if inverse else "delta", "gamma", "theta", "vega", "vanna",
                              "volga", "charm")):
        target[GREEKS.index(name)] = room[k]
    at.price, at.delta, at.gamma, at.theta = room[0], room[1], room[2], room[3]
    at.vega, at.vanna, at.volga, at.charm = room[4], room[5], room[6], room[7]
    expect(take_all(&g, kind, 0.0, strike, 0.0, 0.0, 0.0, 0.0))
    g.inputs.column[GC_UNDERLYING].step = g.inputs.column[GC_TAU].step = 1
    g.inputs.column[GC_VOL].step = moves
    sums = np.empty((GC_SUMS, 2))
    cdef double[:, ::1] out = sums
    with nogil:
        while first < points - 1:
            steps = min(<Py_ssize_t>TAYLOR_STEPS, points - 1 - first)
            g.inputs.column[GC_UNDERLYING].data = &forward[first]
            g.inputs.column[GC_TAU].data, g.inputs.column[GC_VOL].data = &tau[first], vol_at
            kernels.greeks(GC_INVERSE if inverse else GC_BLACK76, &g.inputs, 0, steps + 1, target)
            gc_sum_taylor(inverse, steps, &at, &forward[first], &tau[first], vol_at, &rate[first], &all)
            first += steps
            vol_at += moves * steps
    gc_end_taylor(&all, <double (*)[2]>&out[0, 0])
    return sums


def mark_sums(bint inverse, int kind, double strike, const double[::1] forward, const double[::1] tau,
              vol, const double[::1] rate, const int64_t[::1] at, const double[::1] marks):
    """Sum over a path how far the marks of one option moved beyond the model.

    Parameters
    ----------
    inverse, kind, strike, forward, tau, vol, rate
        As of taylor_sums.
    at : array of int, shape (m,)
        Points at which a mark is known, ascending; elsewhere it is the model's.
    marks : array, shape (m,)

    Returns
    -------
    array, shape (2,)
        Native and other currency.
    """
    cdef Py_ssize_t last = forward.shape[0] - 1, k, m
    cdef double into[2]
    cdef double out[2]
    cdef double gap
    cdef double values[6]
    cdef const double[::1] vols
    cdef bint moves = not isinstance(vol, float)
    if moves:
        vols = vol
    if last < 0 or tau.shape[0] <= last or moves and vols.shape[0] <= last or rate.shape[0] <= last:
        raise ValueError("arrays of a path must have as many entries each, at least one")
    if marks.shape[0] != at.shape[0]:
        raise ValueError("each mark needs its point")
    memset(into, 0, sizeof(into))
    memset(out, 0, sizeof(out))
    memset(values, 0, sizeof(values))
    values[GC_STRIKE], values[GC_VOL] = strike, 0.0 if moves else vol
    for m in range(at.shape[0]):
        k = at[m]
        if not 0 <= k <= last:
            raise ValueError(f"point {k} is not on a path to {last}")
        values[GC_UNDERLYING], values[GC_TAU] = forward[k], tau[k]
        if moves:
            values[GC_VOL] = vols[k]
        gap = marks[m] - kernels.price_point(GC_INVERSE if inverse else GC_BLACK76, kind, values)
        if k > 0:  # the step that ends there, and the one that starts there
            into[0] += gap
            into[1] += gap * rate[k]
        if k < last:
            out[0] += gap
            out[1] += gap * rate[k + 1]
    return np.array([into[0] - out[0], into[1] - out[1]])


# ---- implied volatility --------------------------------------------------------------

cdef tuple statuses = ()


def set_statuses(tuple values):
    """What the codes are called; gammacore.implied says so once."""
    global statuses
    statuses = values


cdef object implied_fast(int model, object kind, object price, object underlying, object strike, object tau,
                         object rate, object dividend, bint with_status, object out):
    """Vol or vols, with status if asked for, or None if this is not for the fast path."""
    cdef gathered g
    cdef double vol
    cdef int code
    cdef object target
    cdef object codes = None
    if not take_all(&g, kind, underlying, strike, tau, price, rate, dividend):
        return None
    if g.ndim < 0:
        if out is not None:
            return None
        vol = kernels.implied_point(model, g.sign, g.values, &code)
        return (vol, statuses[code]) if with_status else vol
    if out is None:
        target = new_array(&g)
    elif fits(&g, out):
        target = out
    else:
        return None
    if with_status:
        codes = cnp.PyArray_EMPTY(g.ndim, g.dims, cnp.NPY_INT8, 0)
    if g.n == 1:
        data_of(target)[0] = kernels.implied_point(model, g.inputs.kind[0], point_values(&g), &code)
        if with_status:
            codes_of(codes)[0] = <signed char>code
    else:
        run_implied(model, GC_EXPLICIT, &g.inputs, 0, g.n, data_of(target), codes_of(codes))
    return (target, codes) if with_status else target


cdef inline signed char *codes_of(object codes) noexcept:
    return NULL if codes is None else <signed char *>cnp.PyArray_DATA(<cnp.ndarray>codes)


cdef void run_implied(int model, int method, gc_inputs *inputs, Py_ssize_t first, Py_ssize_t end, double *out,
                      signed char *status) noexcept:
    if end - first < RELEASE_FROM:
        kernels.implied_vol(model, method, inputs, first, end, out, status)
    else:
        with nogil:
            kernels.implied_vol(model, method, inputs, first, end, out, status)


def implied_into(int model, bint newton, kind, underlying, strike, tau, price, rate, dividend, cnp.ndarray out,
                 cnp.ndarray status, Py_ssize_t first, Py_ssize_t end):
    """Like price_into; `status` is a contiguous int8 array of the same length."""
    cdef gathered g
    expect(take_all(&g, kind, underlying, strike, tau, price, rate, dividend, True) and fits(&g, out))
    expect(cnp.PyArray_TYPE(status) == cnp.NPY_INT8 and cnp.PyArray_ISCARRAY(status) and same_shape(&g, status))
    run_implied(model, GC_NEWTON if newton else GC_EXPLICIT, &g.inputs, first, end, data_of(out),
                codes_of(status))


# ---- chains --------------------------------------------------------------------------

def analyse_fast(int model, kind, underlying, strike, tau, price, rate, dividend, tuple slots):
    """(vol, status, Greeks) of quotes, or None if this is not for the fast path."""
    cdef gathered g
    cdef double *target[17]
    if not take_all(&g, kind, underlying, strike, tau, price, rate, dividend) or g.ndim < 0:
        return None
    rows = new_arrays(&g, len(slots) + 1)
    codes = cnp.PyArray_EMPTY(g.ndim, g.dims, cnp.NPY_INT8, 0)
    vol, out = rows[0], rows[1:]
    point_at(&g, slots, out, target)
    cdef double *vols = data_of(vol)
    cdef signed char *status = codes_of(codes)
    with nogil:
        kernels.analyse(model, &g.inputs, 0, g.n, vols, status, target)
    return vol, codes, out


def analyse_into(int model, kind, underlying, strike, tau, price, rate, dividend, cnp.ndarray vol,
                 cnp.ndarray status, tuple slots, tuple out, Py_ssize_t first, Py_ssize_t end):
    """Vols, status and Greeks of quotes in one pass; arguments as above."""
    cdef gathered g
    cdef double *target[17]
    expect(take_all(&g, kind, underlying, strike, tau, price, rate, dividend, True) and fits(&g, vol))
    expect(cnp.PyArray_TYPE(status) == cnp.NPY_INT8 and cnp.PyArray_ISCARRAY(status) and same_shape(&g, status))
    point_at(&g, slots, out, target)
    cdef double *vols = data_of(vol)
    cdef signed char *codes = codes_of(status)
    with nogil:
        kernels.analyse(model, &g.inputs, first, end, vols, codes, target)


def vol_interval_into(int model, kind, underlying, strike, tau, price, rate, tick, cnp.ndarray low,
                      cnp.ndarray high, Py_ssize_t first, Py_ssize_t end):
    """Vols half a tick below and above; arguments as above."""
    cdef gathered g
    expect(take_all(&g, kind, underlying, strike, tau, price, rate, tick, True) and fits(&g, low) and fits(&g, high))
    cdef double *lows = data_of(low)
    cdef double *highs = data_of(high)
    with nogil:
        kernels.vol_interval(model, &g.inputs, first, end, lows, highs)


include "public.pxi"
include "public_greeks.pxi"


for _function in (black76_price, black76_implied_vol, black_scholes_price, black_scholes_implied_vol,
                  inverse_price, inverse_implied_vol, black76_sensitivities, black_scholes_sensitivities,
                  inverse_sensitivities):
    _where = "inverse" if _function.__name__[0] == "i" else (
        "black76" if _function.__name__[5] == "7" else "black_scholes")
    _function.__module__ = "gammacore." + _where
    _function.__name__ = _function.__qualname__ = _function.__name__[len(_where) + 1:]
