# cython: auto_pickle=False, autotestdict=False, embedsignature=False
"""Portfolio margin over arrays. Private: gammacore.margin is the public face. The arithmetic is in margin.h.

A line is a row (kind, strike, tau, vol, price) of a position; rates and scenarios are in the order of margin.h.
"""

cimport numpy as cnp
from libc.math cimport fabs
from libc.stdint cimport int64_t

import numpy as np

cnp.import_array()

cdef extern from "margin_levels.h" nogil:
    ctypedef struct gc_margin_rates:
        double range_up

    ctypedef struct gc_margin_line:
        double kind, strike, tau, vol, price

    ctypedef struct gc_margin_parts:
        double worst, roll, delta
        ptrdiff_t at

    ctypedef struct gc_margin_sums:
        const double *profit
        double held, bought, roll

    ctypedef void (*gc_margin_kernel)(const gc_margin_rates *r, const double *table, ptrdiff_t m, int inverse,
                                      const gc_margin_line *p, double *out) noexcept
    gc_margin_kernel gc_margin_kernel_of(int level)
    double gc_margin_delta(const gc_margin_line *p)
    double gc_margin_roll_rate(const gc_margin_rates *r, double tau)
    gc_margin_parts gc_margin_of(const gc_margin_rates *r, const double *table, ptrdiff_t m, int inverse,
                                 double index, const gc_margin_sums *sums, const double *without, double size)

PARTS = 4  # worst loss, roll shock, delta shock, scenario of the worst loss (-1: none)


def vectors(int level, const double[::1] rates not None, const double[:, ::1] table not None, bint inverse,
            const double[:, ::1] lines not None):
    """Profit of one coin of each line under each scenario, (n, m); delta and roll rate of each, (n,).

    ``level`` is the instruction set, a position in ``_core.LEVELS``; the table of scenarios is (4, m).
    """
    cdef Py_ssize_t i, n = lines.shape[0], m = table.shape[1]
    cdef gc_margin_kernel vector = gc_margin_kernel_of(level)
    profits, deltas, rolls = np.empty((n, m)), np.empty(n), np.empty(n)
    cdef double[:, ::1] out = profits
    cdef double[::1] delta = deltas, roll = rolls
    cdef const gc_margin_rates *r = <const gc_margin_rates *> &rates[0]
    cdef const gc_margin_line *p
    with nogil:
        for i in range(n):
            p = <const gc_margin_line *> &lines[i, 0]
            vector(r, &table[0, 0], m, inverse, p, &out[i, 0])
            delta[i] = gc_margin_delta(p)
            roll[i] = gc_margin_roll_rate(r, p.tau)
    return profits, deltas, rolls


cdef gc_margin_sums sums_of(const double *sizes, const double *deltas, const double *rolls, const int64_t *groups,
                            const double *kinds, Py_ssize_t stride, Py_ssize_t n, double *net,
                            double *rate) noexcept nogil:
    """Deltas and roll of n positions; `net` and `rate` are filled by expiry."""
    cdef gc_margin_sums s
    cdef Py_ssize_t i
    cdef double delta
    s.held, s.bought, s.roll, s.profit = 0.0, 0.0, 0.0, NULL
    for i in range(n):
        net[i] = rate[i] = 0.0
    for i in range(n):
        if sizes[i] == 0.0:  # its mark may be missing
            continue
        delta = sizes[i] * deltas[i]
        net[groups[i]] += delta
        rate[groups[i]] = rolls[i]
        if kinds[i * stride] != 0.0 and sizes[i] > 0.0:
            s.bought += delta
        else:
            s.held += delta
    for i in range(n):
        s.roll += fabs(net[i]) * rate[i]
    return s


cdef void put(gc_margin_parts found, double *out) noexcept nogil:
    out[0], out[1], out[2], out[3] = found.worst, found.roll, found.delta, found.at


def books(const double[::1] rates not None, const double[:, ::1] table not None, bint inverse, double index,
          const double[:, ::1] lines not None, const int64_t[::1] groups not None,
          const double[:, ::1] sizes not None, const double[:, ::1] vector not None,
          const double[::1] delta not None, const double[::1] roll not None):
    """Margin of b books of the same n lines, one market: (b, PARTS).

    `groups` numbers expiries from 0; the last three arguments are what :func:`vectors` gives.
    """
    cdef Py_ssize_t b, i, j, n = lines.shape[0], m = table.shape[1]
    found, scratch = np.empty((sizes.shape[0], PARTS)), np.zeros(m + 2 * n + 1)
    cdef double[:, ::1] out = found
    cdef double[::1] room = scratch
    cdef const gc_margin_rates *r = <const gc_margin_rates *> &rates[0]
    cdef gc_margin_sums s
    cdef double size
    if n == 0:
        found[:] = 0.0, 0.0, 0.0, -1.0
        return found
    with nogil:
        for b in range(sizes.shape[0]):
            for j in range(m):
                room[j] = 0.0
            for i in range(n):
                size = sizes[b, i]
                if size != 0.0:
                    for j in range(m):
                        room[j] += size * vector[i, j]
            s = sums_of(&sizes[b, 0], &delta[0], &roll[0], &groups[0], &lines[0, 0], lines.shape[1], n,
                        &room[m], &room[m + n])
            s.profit = &room[0]
            put(gc_margin_of(r, &table[0, 0], m, inverse, index, &s, NULL, 0.0), &out[b, 0])
    return found


def ragged(int level, const double[::1] rates not None, const double[:, ::1] table not None, bint inverse,
           const double[::1] index not None, const int64_t[::1] offsets not None,
           const double[:, ::1] lines not None, const int64_t[::1] groups not None,
           const double[::1] sizes not None):
    """Margin of books that each have a market of their own: positions offsets[b]:offsets[b + 1], (b, PARTS)."""
    cdef Py_ssize_t b, i, j, n, first, m = table.shape[1], most
    cdef gc_margin_kernel profits = gc_margin_kernel_of(level)
    most = int(np.diff(offsets).max(initial=0))
    found, scratch = np.empty((index.shape[0], PARTS)), np.zeros(2 * m + 4 * most + 1)
    cdef double[:, ::1] out = found
    cdef double[::1] room = scratch
    cdef double *total = &room[0]
    cdef double *vector = total + m
    cdef double *delta = vector + m
    cdef double *roll = delta + most
    cdef const gc_margin_rates *r = <const gc_margin_rates *> &rates[0]
    cdef const gc_margin_line *p
    cdef gc_margin_sums s
    cdef double size
    with nogil:
        for b in range(index.shape[0]):
            first = offsets[b]
            n = offsets[b + 1] - first
            for j in range(m):
                total[j] = 0.0
            for i in range(n):
                size = sizes[first + i]
                delta[i] = roll[i] = 0.0
                if size != 0.0:
                    p = <const gc_margin_line *> &lines[first + i, 0]
                    profits(r, &table[0, 0], m, inverse, p, vector)
                    delta[i], roll[i] = gc_margin_delta(p), gc_margin_roll_rate(r, p.tau)
                    for j in range(m):
                        total[j] += size * vector[j]
            s.held = s.bought = s.roll = 0.0
            if n:
                s = sums_of(&sizes[first], delta, roll, &groups[first], &lines[first, 0], lines.shape[1], n,
                            roll + most, roll + 2 * most)
            s.profit = total
            put(gc_margin_of(r, &table[0, 0], m, inverse, index[b], &s, NULL, 0.0), &out[b, 0])
    return found


def without(const double[::1] rates not None, const double[:, ::1] table not None, bint inverse, double index,
            const double[:, ::1] lines not None, const int64_t[::1] groups not None,
            const double[::1] sizes not None, const double[:, ::1] vector not None,
            const double[::1] delta not None, const double[::1] roll not None):
    """Margin of a book less each of its positions in turn: (n, PARTS)."""
    cdef Py_ssize_t i, j, n = lines.shape[0], m = table.shape[1]
    found, scratch = np.empty((n, PARTS)), np.zeros(m + 2 * n + 1)
    cdef double[:, ::1] out = found
    cdef double[::1] room = scratch
    cdef const gc_margin_rates *r = <const gc_margin_rates *> &rates[0]
    cdef gc_margin_sums s, less
    cdef double one, net
    if not n:
        return found
    with nogil:
        for i in range(n):
            for j in range(m):
                room[j] += sizes[i] * vector[i, j]
        s = sums_of(&sizes[0], &delta[0], &roll[0], &groups[0], &lines[0, 0], lines.shape[1], n,
                    &room[m], &room[m + n])
        s.profit = &room[0]
        for i in range(n):
            one = sizes[i] * delta[i]
            net = room[m + groups[i]]
            less = s
            less.roll = s.roll + (fabs(net - one) - fabs(net)) * roll[i]
            if lines[i, 0] != 0.0 and sizes[i] > 0.0:
                less.bought = s.bought - one
            else:
                less.held = s.held - one
            put(gc_margin_of(r, &table[0, 0], m, inverse, index, &less, &vector[i, 0], sizes[i]), &out[i, 0])
    return found
