# cython: auto_pickle=False, autotestdict=False, embedsignature=False
"""A recorded book and our orders in its queues. Private: gammacore.backtest.replay.queue_fills is its public face."""

cimport numpy as cnp
import numpy as np
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy, strlen

cnp.import_array()

cdef extern from "queue_book.h" nogil:
    enum:
        GC_BIDS
        GC_ASKS
        GC_BUY_TRADE
        GC_SELL_TRADE
        GC_CLEAR
        GC_GAP
        GC_FEED_KINDS
        GC_LAST
        GC_OWN
        GC_AT_END
        GC_AT_FILL
        GC_AT_EDGE
        GC_CROSSED
        GC_LOST
        GC_OUTSIDE
        GC_MOST_ORDERS
        GC_MOST_FILLS
    int64_t GC_NO_TICK

    ctypedef struct gc_order:
        int side, live
        int64_t tick
        double left, ahead, traded, gone

    ctypedef struct gc_fill:
        int64_t ts
        int order
        int64_t tick
        double amount

    ctypedef struct gc_book:
        double *amount[2]
        double *taken[2]
        int64_t base, size
        int64_t best[2]
        int64_t reached[2]
        double lot, power
        int64_t window
        int known, crossed
        int64_t counts[3]
        gc_order order[64]
        int orders
        int resting[2]

    ctypedef struct gc_feed:
        const int64_t *ts
        const uint8_t *kind
        const int32_t *tick
        const double *amount
        ptrdiff_t n

    int gc_advance(gc_book *b, const gc_feed *f, ptrdiff_t *at, int64_t until, gc_fill *fills, int *count)
    double gc_take(gc_book *b, int side, int64_t limit, double amount, gc_fill *fills, int most, int *count)

cdef extern from "level_text.h":
    ptrdiff_t gc_levels(const char *text, double *price, double *amount)

BIDS, ASKS, BUY_TRADE, SELL_TRADE, CLEAR, GAP = GC_BIDS, GC_ASKS, GC_BUY_TRADE, GC_SELL_TRADE, GC_CLEAR, GC_GAP
KINDS, LAST, OWN, MOST_ORDERS = GC_FEED_KINDS, GC_LAST, GC_OWN, GC_MOST_ORDERS
COUNTS = ("crossed", "gaps", "outside")


def read_levels(list texts not None):
    """Read levels as the exchange writes them, one side of each message.

    Parameters
    ----------
    texts : list of str, length n
        Empty for none.

    Returns
    -------
    counts : (n,) array of int64
    price, amount : arrays of float64
        Of all levels, one after another; of one that is deleted the amount is nil.
        None in place of the three where a text has another form.
    """
    cdef Py_ssize_t n = len(texts), i, length, room = 0
    cdef ptrdiff_t found, total = 0
    cdef const char *text
    for i in range(n):
        room += len(<str?>texts[i])
    cdef cnp.ndarray counts = np.empty(n, np.int64)
    cdef cnp.ndarray price = np.empty(room // 5 + 1), amount = np.empty(room // 5 + 1)
    cdef int64_t *count = <int64_t *>cnp.PyArray_DATA(counts)
    cdef double *prices = <double *>cnp.PyArray_DATA(price)
    cdef double *amounts = <double *>cnp.PyArray_DATA(amount)
    for i in range(n):
        text = PyUnicode_AsUTF8AndSize(texts[i], &length)
        found = gc_levels(text, prices + total, amounts + total) if length else 0
        if found < 0 or <Py_ssize_t>strlen(text) != length:
            return None
        count[i] = found
        total += found
    return counts, price[:total], amount[:total]


cdef class QueueBook:
    """Book at a moment of a feed; tick numbers are those of the feed.

    Parameters
    ----------
    lot : float
        Smallest amount.
    power : float
        Of the cancellations that are behind us; -1 has all of them behind.
    window : int, default 0
        Nanoseconds of changes that a message tells; 0 has them happen when it is told.
    """

    cdef gc_book b
    cdef gc_feed feed
    cdef ptrdiff_t at
    cdef gc_fill fills[1024]
    cdef object kept
    cdef readonly int64_t told_ns  # time of the last message, 0 before the first

    def __cinit__(self, double lot, double power, int64_t window=0):
        self.b.lot, self.b.power, self.b.window = lot, power, window
        self.b.best[0] = self.b.best[1] = self.b.reached[0] = self.b.reached[1] = GC_NO_TICK

    def __dealloc__(self):
        cdef int side
        for side in range(2):
            PyMem_Free(self.b.amount[side])
            PyMem_Free(self.b.taken[side])

    def load(self, const int64_t[::1] ts not None, const uint8_t[::1] kind not None,
             const int32_t[::1] tick not None, const double[::1] amount not None):
        """Take the next block of the feed; the one before must have been followed to its end."""
        cdef Py_ssize_t n = ts.shape[0]
        if kind.shape[0] != n or tick.shape[0] != n or amount.shape[0] != n:
            raise ValueError("feed: columns of different length")
        if self.at < self.feed.n:
            raise ValueError("feed: the block before was not followed to its end")
        self.kept = (ts, kind, tick, amount)
        self.at, self.feed.n = 0, n
        if n:
            self.feed.ts, self.feed.kind, self.feed.tick, self.feed.amount = &ts[0], &kind[0], &tick[0], &amount[0]

    def advance(self, int64_t until):
        """Follow the block to a moment, or to a message that fills us: whether it did, and the fills.

        Returns
        -------
        list of (ts_ns, order, tick, amount)
            Empty where the moment or the end of the block was reached.
        """
        cdef int why, count
        while True:
            with nogil:
                why = gc_advance(&self.b, &self.feed, &self.at, until, self.fills, &count)
            if why != GC_AT_EDGE:
                break
            self.widen(self.feed.tick[self.at])
        if self.at > 0:
            self.told_ns = self.feed.ts[self.at - 1]
        return [(self.fills[i].ts, self.fills[i].order, self.fills[i].tick, self.fills[i].amount) for i in range(count)]

    cdef int widen(self, int64_t tick) except -1:
        """Make room for a price, and as much again."""
        cdef int64_t low = tick, high = tick + 1, base, size
        cdef double *wider
        cdef double **rows[2]
        cdef int side, k
        if self.b.size:
            low, high = min(low, self.b.base), max(high, self.b.base + self.b.size)
        base = low - (high - low) // 2 - 512
        size = high + (high - low) // 2 + 512 - base
        if size > 1 << 26:
            raise ValueError(f"feed: a price of {tick} ticks is too far from the others")
        rows[0], rows[1] = self.b.amount, self.b.taken
        for k in range(2):
            for side in range(2):
                wider = <double *>PyMem_Calloc(size, sizeof(double))
                if wider == NULL:
                    raise MemoryError()
                if self.b.size:
                    memcpy(wider + (self.b.base - base), rows[k][side], self.b.size * sizeof(double))
                PyMem_Free(rows[k][side])
                rows[k][side] = wider
        self.b.base, self.b.size = base, size
        return 0

    def waits(self, int64_t until):
        """Whether the next message is later than a moment."""
        return self.at < self.feed.n and self.feed.ts[self.at] > until

    @property
    def done(self):
        """Whether the block has been followed to its end."""
        return self.at >= self.feed.n

    @property
    def known(self):
        """Whether the book is whole and not crossed."""
        return self.b.known == 1 and not self.b.crossed

    def best(self, int side):
        """Best price of a side in ticks, None without one."""
        return None if self.b.best[side] == GC_NO_TICK else self.b.best[side]

    def amount(self, int side, int64_t tick):
        """Amount at a price."""
        if not self.b.base <= tick < self.b.base + self.b.size:
            return 0.0
        return self.b.amount[side][tick - self.b.base]

    def place(self, int side, int64_t tick, double amount):
        """Put an order behind its level; its number, which is used again once it has ended."""
        cdef int k
        for k in range(GC_MOST_ORDERS):
            if k >= self.b.orders or not self.b.order[k].live:
                break
        else:
            raise ValueError(f"place: more than {GC_MOST_ORDERS} orders")
        if not self.b.base <= tick < self.b.base + self.b.size:
            self.widen(tick)
        self.b.order[k].side, self.b.order[k].live, self.b.order[k].tick = side, 1, tick
        self.b.order[k].left, self.b.order[k].traded, self.b.order[k].gone = amount, 0.0, 0.0
        self.b.order[k].ahead = self.b.amount[side][tick - self.b.base]
        self.b.orders = max(self.b.orders, k + 1)
        self.b.resting[side] += 1
        return k

    def left(self, int order):
        """What of an order is not filled, and what is ahead of it; (0, 0) once it has ended."""
        if order >= self.b.orders or not self.b.order[order].live:
            return 0.0, 0.0
        return self.b.order[order].left, self.b.order[order].ahead

    def cancel(self, int order):
        """Take an order out; what of it was not filled."""
        if order >= self.b.orders or not self.b.order[order].live:
            return 0.0
        self.b.order[order].live = 0
        self.b.resting[self.b.order[order].side] -= 1
        return self.b.order[order].left

    def take(self, int side, int64_t limit, double amount):
        """Take what is shown up to a limit: list of (tick, amount); the recorded book stays as it is."""
        cdef int count
        gc_take(&self.b, side, limit, amount, self.fills, GC_MOST_FILLS, &count)
        return [(self.fills[i].tick, self.fills[i].amount) for i in range(count)]

    def counts(self):
        """How often the book was crossed, lost, and a trade was outside it."""
        return {name: self.b.counts[i] for i, name in enumerate(COUNTS)}
