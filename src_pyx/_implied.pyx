# cython: auto_pickle=False, autotestdict=False
"""Implied volatility: loops over contiguous arrays, and a cheap call for one option.

Private. gammacore.black76, gammacore.black_scholes and gammacore.inverse check and
broadcast their arguments and document the results.
"""

include "kernels.pxi"

cdef extern from *:
    """
    #define GC_SUFFIX _base
    #define GC_TARGET
    #include "implied_loops.h"
    """
    void gc_implied_vol_base(int model, const gc_inputs *inputs, ptrdiff_t n, double *out,
                             signed char *status) nogil
    enum:
        GC_IV_OK
        GC_IV_BELOW_INTRINSIC
        GC_IV_AT_INTRINSIC
        GC_IV_ABOVE_BOUND
        GC_IV_NOT_FINITE
        GC_IV_EXPIRED

OK = GC_IV_OK
BELOW_INTRINSIC = GC_IV_BELOW_INTRINSIC
AT_INTRINSIC = GC_IV_AT_INTRINSIC
ABOVE_BOUND = GC_IV_ABOVE_BOUND
NOT_FINITE = GC_IV_NOT_FINITE
EXPIRED = GC_IV_EXPIRED


def implied_vol_one(int model, kind, price, underlying, strike, tau, rate, dividend):
    """(vol, status) of one option, or None if an argument is not a plain number."""
    cdef single one
    cdef double vol
    cdef signed char status
    if not fill_single(&one, kind, underlying, strike, tau, price, rate, dividend):
        return None
    gc_implied_vol_base(model, &one.inputs, 1, &vol, &status)
    return vol, status


def implied_vol_array(int model, kind, price, underlying, strike, tau, rate, dividend, out, status):
    """Implied vol of len(out) options into `out`, and status codes (int8) unless `status` is None."""
    cdef _Columns columns = _Columns()
    cdef signed char *codes = NULL
    columns.open(len(out), kind, underlying, strike, tau, price, rate, dividend)
    cdef double *target = columns.output(out)
    if status is not None:
        codes = <signed char *>columns.hold(status, PyBUF_WRITABLE, b"b", columns.n).buf
    with nogil:
        gc_implied_vol_base(model, &columns.inputs, columns.n, target, codes)
