# cython: auto_pickle=False, autotestdict=False
"""Prices and Greeks: loops over contiguous arrays, and cheap calls for one option.

Private. gammacore.black76, gammacore.black_scholes and gammacore.inverse check and
broadcast their arguments and document the results.
"""

include "kernels.pxi"

cdef extern from *:
    """
    #define GC_SUFFIX _base
    #define GC_TARGET
    #include "black_loops.h"
    """
    void gc_price_base(int model, const gc_inputs *inputs, ptrdiff_t n, double *out) nogil
    void gc_greeks_base(int model, const gc_inputs *inputs, ptrdiff_t n, double *const *out) nogil

BLACK76 = GC_BLACK76
BLACK_SCHOLES = GC_BLACK_SCHOLES
INVERSE = GC_INVERSE


def price_one(int model, kind, underlying, strike, tau, vol, rate, dividend):
    """Price of one option as a float, or None if an argument is not a plain number."""
    cdef single one
    cdef double out
    if not fill_single(&one, kind, underlying, strike, tau, vol, rate, dividend):
        return None
    gc_price_base(model, &one.inputs, 1, &out)
    return out


def greeks_one(int model, kind, underlying, strike, tau, vol, rate, dividend):
    """Price and Greeks of one option as a tuple, or None if an argument is not a plain number."""
    cdef single one
    cdef double values[GC_OUTPUTS]
    cdef double *out[GC_OUTPUTS]
    if not fill_single(&one, kind, underlying, strike, tau, vol, rate, dividend):
        return None
    for i in range(GC_OUTPUTS):
        out[i] = &values[i]
    gc_greeks_base(model, &one.inputs, 1, out)
    if model == GC_INVERSE:
        return (values[0], values[1], values[9], values[2], values[3], values[4], values[5], values[6],
                values[7], values[8])
    return (values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7], values[8])


def price_array(int model, kind, underlying, strike, tau, vol, rate, dividend, out):
    """Price len(out) options into `out`; inputs have that length or one."""
    cdef _Columns columns = _Columns()
    columns.open(len(out), kind, underlying, strike, tau, vol, rate, dividend)
    cdef double *target = columns.output(out)
    with nogil:
        gc_price_base(model, &columns.inputs, columns.n, target)


def greeks_array(int model, kind, underlying, strike, tau, vol, rate, dividend, tuple out):
    """Price and Greeks into the arrays of `out`, in the order that greeks_one returns them."""
    cdef _Columns columns = _Columns()
    cdef double *target[GC_OUTPUTS]
    cdef int expected = 10 if model == GC_INVERSE else 9
    if len(out) != expected:
        raise ValueError(f"out must hold {expected} arrays, got {len(out)}")
    columns.open(len(out[0]), kind, underlying, strike, tau, vol, rate, dividend)
    for i in range(expected):
        # Net delta is third in the tuple and last in C.
        slot = i if expected == 9 or i < 2 else (9 if i == 2 else i - 1)
        target[slot] = columns.output(out[i])
    with nogil:
        gc_greeks_base(model, &columns.inputs, columns.n, target)
