# cython: auto_pickle=False, autotestdict=False, embedsignature=False
"""SVI slices over arrays. Private: gammacore.volatility is the public face. The arithmetic is in svi.h."""

cimport numpy as cnp
from libc.math cimport sqrt
from libc.stdint cimport int64_t

import numpy as np

cnp.import_array()

cdef extern from "svi_fit.h" nogil:
    ctypedef struct gc_svi:
        double low, left, right, m, s

    ctypedef struct gc_variance:
        double w, w1, w2

    ctypedef struct gc_svi_problem:
        const double *k
        const double *sd
        const double *weight
        ptrdiff_t n
        double huber, left_max, right_max
        const gc_svi *ceiling

    ctypedef struct gc_svi_outcome:
        double cost, lowest_g, highest_excess
        int iterations, rounds, projected

    gc_svi gc_svi_from_raw(double a, double b, double rho, double m, double s)
    void gc_svi_to_raw(const gc_svi *p, double *raw)
    gc_variance gc_svi_variance(const gc_svi *p, double k)
    double gc_butterfly(const gc_variance *v, double k)
    void gc_svi_check(const gc_svi *p, const gc_svi *ceiling, double *lowest_g, double *excess)
    gc_svi gc_svi_fit(gc_svi_problem *q, gc_svi_outcome *o)


cdef gc_svi slice_of(const double *raw) noexcept nogil:
    return gc_svi_from_raw(raw[0], raw[1], raw[2], raw[3], raw[4])


def evaluate(double[:, ::1] raw not None, const int64_t[::1] which not None, const double[::1] k not None):
    """w, dw/dk, d2w/dk2 and g of slice which[i] at k[i], as rows of a (4, n) array."""
    cdef Py_ssize_t i, n = k.shape[0]
    found = np.empty((4, n))
    cdef double[:, ::1] out = found
    cdef gc_svi p
    cdef gc_variance v
    with nogil:
        for i in range(n):
            p = slice_of(&raw[which[i], 0])
            v = gc_svi_variance(&p, k[i])
            out[0, i] = v.w
            out[1, i] = v.w1
            out[2, i] = v.w2
            out[3, i] = gc_butterfly(&v, k[i])
    return found


def check(double[:, ::1] raw not None):
    """Lowest g of each slice, and highest w over the next slice's less 1 (NaN for the last)."""
    cdef Py_ssize_t i, n = raw.shape[0]
    lowest, excess = np.empty(n), np.full(n, np.nan)
    cdef double[::1] g = lowest
    cdef double[::1] over = excess
    cdef double ignored
    cdef gc_svi p, after
    for i in range(n):
        p = slice_of(&raw[i, 0])
        if i + 1 < n:
            after = slice_of(&raw[i + 1, 0])
            gc_svi_check(&p, &after, &g[i], &over[i])
        else:
            gc_svi_check(&p, NULL, &g[i], &ignored)
    return lowest, excess


def fit(const double[::1] k not None, const double[::1] sd not None, const double[::1] weight not None,
        const int64_t[::1] offsets not None, const cnp.npy_bool[::1] wanted not None, double[:, ::1] raw not None,
        double huber, bint calendar):
    """Fit the wanted slices, the last expiry first, into the rows of `raw`.

    Quotes of slice i are offsets[i]:offsets[i + 1]. Slices that are not wanted stay as they are; a row of
    NaN is no slice. With `calendar` a slice stays below the next one there is. Returns per slice
    lowest g, iterations, rounds of punishing and whether it was projected.
    """
    cdef Py_ssize_t i, n = raw.shape[0]
    outcome = np.full((n, 4), np.nan)
    cdef double[:, ::1] out = outcome
    cdef gc_svi_problem q
    cdef gc_svi_outcome o
    cdef gc_svi p, above
    cdef bint bounded = False
    with nogil:
        for i in range(n - 1, -1, -1):
            if wanted[i]:
                q.k, q.sd, q.weight = &k[offsets[i]], &sd[offsets[i]], &weight[offsets[i]]
                q.n = offsets[i + 1] - offsets[i]
                q.huber = huber
                q.left_max = above.left if bounded and above.left < 2.0 else 2.0
                q.right_max = above.right if bounded and above.right < 2.0 else 2.0
                q.ceiling = &above if bounded else NULL
                p = gc_svi_fit(&q, &o)
                gc_svi_to_raw(&p, &raw[i, 0])
                out[i, 0], out[i, 1], out[i, 2], out[i, 3] = o.lowest_g, o.iterations, o.rounds, o.projected
            if calendar and raw[i, 0] == raw[i, 0]:
                above = slice_of(&raw[i, 0])
                bounded = True
    return outcome
