# The hedges of all episodes at once, see held.h. Included by _replay.pyx.

cdef extern from "held.h" nogil:
    ctypedef struct gc_life:
        ptrdiff_t runs, at
        int64_t cash[2]
        double price, interest
        int heir, hands_on, closed
        int64_t end_ns
        double last_price, last_rate, last_interest
        const gc_contract *closing

    ctypedef struct gc_outcome:
        double gained, fees, marked, accrued, received
        int64_t trades, hedges

    ctypedef struct gc_way:
        const gc_plan *plan
        ptrdiff_t plans
        double handed
        gc_trades *fills
        gc_outcome *out

    ctypedef int gc_hedger(ptrdiff_t n, const gc_life *life, const gc_run *run, ptrdiff_t ways, gc_way *way,
                           const gc_working *w)
    gc_hedger *gc_best_hedger()

cdef extern from "course.h" nogil:
    ctypedef struct gc_holding:
        ptrdiff_t first, last, start
        const double *options
        const double *unit
        double mark

    ctypedef struct gc_tape:
        ptrdiff_t n
        int inverse
        const unsigned char *more
        const double *owed

    ctypedef struct gc_span:
        pass

    ctypedef struct gc_block:
        pass

    ctypedef struct gc_common:
        gc_tape tape
        ptrdiff_t episodes, blocks, asked
        const gc_holding *holding
        const int64_t *order
        const int64_t *entries
        const gc_block *block
        const gc_span *span

    ctypedef struct gc_holder:
        pass

    ctypedef struct gc_bounds:
        pass

    ctypedef struct gc_room:
        gc_holder *at
        gc_holder *state
        gc_bounds *bounds

    ctypedef struct gc_course:
        const gc_fill *fills
        const gc_outcome *out
        const double *so_far
        double fall
        double *shown

    void gc_find_blocks(const gc_common *all, gc_block *block, gc_span *span, ptrdiff_t *blocks, ptrdiff_t *spans)
    ctypedef void gc_courser(const gc_common *all, ptrdiff_t ways, gc_course *course, const gc_room *room)
    gc_courser *gc_best_courser()

cdef gc_hedger *gc_hedge_lives = gc_best_hedger()
cdef gc_courser *gc_pass_all_best = gc_best_courser()

OUTCOME = np.dtype([
    ("gained", "f8"), ("fees", "f8"), ("marked", "f8"), ("accrued", "f8"), ("received", "f8"),
    ("trades", "i8"), ("hedges", "i8"),
])


FILL = np.dtype([("at", "i8"), ("amount", "f8"), ("cash", "f8")])


cdef class Fills:
    """Trades of some ways to hedge; their room is used again, as fresh memory costs more than the trades."""

    cdef gc_trades *all
    cdef Py_ssize_t ways

    def __dealloc__(self):
        for k in range(self.ways):
            free(self.all[k].data)
        free(self.all)

    cdef int empty(self, Py_ssize_t ways) except -1:
        """Forget the trades, and make sure that there is a place for those of so many ways."""
        cdef gc_trades *more
        if ways > self.ways:
            more = <gc_trades *> fresh(ways, sizeof(gc_trades))
            if self.ways:
                memcpy(more, self.all, self.ways * sizeof(gc_trades))
            free(self.all)
            self.all, self.ways = more, ways
        for k in range(self.ways):
            self.all[k].count = 0
        return 0

    def array(self, Py_ssize_t way):
        """Copy of the trades of one way, a structured array of dtype FILL, their bars those of the tape."""
        if not 0 <= way < self.ways:
            raise IndexError(way)
        out = np.empty(self.all[way].count, FILL)
        if self.all[way].count:
            memcpy(cnp.PyArray_DATA(out), self.all[way].data, self.all[way].count * sizeof(gc_fill))
        return out


cdef void *fresh(Py_ssize_t count, size_t size) except NULL:
    """Zeroed memory for some structures."""
    cdef void *data = calloc(count if count else 1, size)
    if data == NULL:
        raise MemoryError
    return data


cdef class Life:
    """How the hedge of one episode begins and ends; see gc_life.

    Parameters
    ----------
    bars : list of Bars
        In which it is hedged.
    start : tuple of float
        Mark of the hedge and funding accumulator.
    cash : tuple of int
        Units after the entry, coin and USD.
    heir, hands_on, closed : bool
        Takes the hedge before it over; leaves its own to the next; ended at all.
    closing : Contract
        With the fees of the end.
    end_ns : int
    at : int
        Entry of the tape at which it is unwound.
    last : tuple of float
        Mark, USD per coin and funding accumulator of the end.
    """

    cdef gc_life life
    cdef list bars
    cdef Contract closing

    def __init__(self, list bars, start, cash, bint heir, bint hands_on, bint closed, Contract closing not None,
                 int64_t end_ns, Py_ssize_t at, last):
        self.bars, self.closing = bars, closing
        self.life.runs, self.life.at, self.life.end_ns, self.life.closing = len(bars), at, end_ns, &closing.c
        self.life.price, self.life.interest = start
        self.life.cash[0], self.life.cash[1] = cash
        self.life.heir, self.life.hands_on, self.life.closed = heir, hands_on, closed
        self.life.last_price, self.life.last_rate, self.life.last_interest = last


cdef class Lives:
    """Episodes to be hedged, in the order in which they take hedges over.

    Parameters
    ----------
    lives : list of Life
    working : Working
    ranged : bool
        Whether they will be hedged often enough to look through their bars beforehand.
    """

    cdef gc_life *life
    cdef gc_run *run
    cdef gc_range *ranges
    cdef Py_ssize_t count, runs
    cdef list lives
    cdef Working working

    def __init__(self, list lives, Working working not None, bint ranged=False):
        cdef Life one
        cdef Bars bars
        cdef Py_ssize_t k, stretches = 0
        if self.life != NULL:
            raise RuntimeError("episodes are taken once")
        self.lives, self.working, self.count = lives, working, len(lives)
        self.runs = sum(len((<Life> each).bars) for each in lives)
        self.life = <gc_life *> fresh(self.count, sizeof(gc_life))
        self.run = <gc_run *> fresh(self.runs, sizeof(gc_run))
        self.runs = 0
        for k, one in enumerate(lives):
            self.life[k] = one.life
            for bars in one.bars:
                bars.fits(working)
                self.run[self.runs] = bars.run
                self.run[self.runs].offset = bars.run.entry
                stretches += bars.run.n // GC_STRETCH
                self.runs += 1
        if ranged:
            self.ranges = <gc_range *> fresh(stretches, sizeof(gc_range))
            stretches = 0
            for k in range(self.runs):
                gc_look_through(&self.run[k], self.ranges + stretches)
                stretches += self.run[k].n // GC_STRETCH

    def __dealloc__(self):
        free(self.life)
        free(self.run)
        free(self.ranges)

    def hedge(self, list ways, Fills fills not None):
        """Hedge them all in some ways.

        Parameters
        ----------
        ways : list of list of Plan
            A plan for all runs of bars, or one for each.
        fills : Fills
            Gets the trades of each way; emptied first.

        Returns
        -------
        array of OUTCOME, shape (ways, episodes)
            Money in units.
        """
        cdef list plans = [each for together in ways for each in together]
        cdef Plan one
        cdef Py_ssize_t k, c, count = len(ways), first = 0
        cdef gc_plan *plan = NULL
        cdef gc_way *way = NULL
        cdef int code = 0
        found = np.zeros((count, self.count), OUTCOME)
        fills.empty(count)
        try:
            plan = <gc_plan *> fresh(len(plans), sizeof(gc_plan))
            way = <gc_way *> fresh(count, sizeof(gc_way))
            for c in range(count):
                way[c].plan, way[c].fills = plan + first, &fills.all[c]
                way[c].plans = len(ways[c])
                way[c].out = <gc_outcome *> cnp.PyArray_DATA(found) + c * self.count
                if way[c].plans != 1 and way[c].plans != self.runs:
                    raise ValueError(f"expected a plan, or one for each of {self.runs} runs")
                for k in range(self.runs):
                    one = plans[first + (k if way[c].plans > 1 else 0)]
                    one.fits(&self.run[k])
                first += way[c].plans
            for k, one in enumerate(plans):
                plan[k] = one.plan
            with nogil:
                code = gc_hedge_lives(self.count, self.life, self.run, count, way, &self.working.w)
        finally:
            free(plan)
            free(way)
        for one in plans:
            if code == -2 or one.raised is not None:
                one.failed(code)
        return found


cdef class Courses:
    """What episodes are worth at every entry of a tape but for their hedges, in the settlement currency.

    Parameters
    ----------
    holdings : list of tuple
        Of each episode, in order of entry: its first entry and its last, the entry at which it took a hedge
        over and its mark there; then arrays over the entries from the first to before the last: profit of the
        options, and of one unit of the hedge since it was worth nothing.
    inverse : bool
        Settlement of the hedge.
    ts_ns : array of int, shape (n,)
        Times of the tape, ascending.
    owed : array, shape (n,), or None
        Funding accumulator of a perpetual.
    entries : array of int
        Those, ascending, at which the profit is asked for.
    """

    cdef gc_common all
    cdef gc_holding *holding
    cdef gc_block *block
    cdef gc_span *span
    cdef ptrdiff_t spans
    cdef object arrays
    cdef const int64_t[::1] order

    def __init__(self, list holdings, bint inverse, const int64_t[::1] ts_ns not None, owed,
                 const int64_t[::1] entries not None):
        cdef const double[::1] paid
        if self.holding != NULL:
            raise RuntimeError("episodes are taken once")
        more = np.append(np.diff(ts_ns) == 0, False)
        self.arrays = (holdings, more, owed, entries)
        self.all.tape.n, self.all.tape.inverse = ts_ns.shape[0], inverse
        if more.any():
            self.all.tape.more = <const unsigned char *> cnp.PyArray_DATA(more)
        if owed is not None:
            paid = owed
            if paid.shape[0] != self.all.tape.n:
                raise ValueError(f"owed must have {self.all.tape.n} entries")
            self.all.tape.owed = &paid[0]
        self.all.asked = entries.shape[0]
        if self.all.asked:
            if not (0 <= np.min(entries) and np.max(entries) < self.all.tape.n):
                raise ValueError(f"entries must be on a tape of {self.all.tape.n}")
            self.all.entries = &entries[0]
        self.take(holdings)
        gc_find_blocks(&self.all, NULL, NULL, &self.all.blocks, &self.spans)
        self.block = <gc_block *> fresh(self.all.blocks, sizeof(gc_block))
        self.span = <gc_span *> fresh(self.spans, sizeof(gc_span))
        gc_find_blocks(&self.all, self.block, self.span, &self.all.blocks, &self.spans)
        self.all.block, self.all.span = self.block, self.span

    cdef int take(self, list holdings) except -1:
        """Take the episodes; their order is that in which they end."""
        cdef const double[::1] options, unit
        cdef gc_holding *h
        cdef Py_ssize_t k, n = self.all.tape.n
        self.all.episodes = len(holdings)
        self.all.holding = self.holding = <gc_holding *> fresh(self.all.episodes, sizeof(gc_holding))
        for k, (first, last, start, mark, options, unit) in enumerate(holdings):
            h = &self.holding[k]
            h.first, h.last, h.start, h.mark = first, last, start, mark
            if not 0 <= first <= last < n or not 0 <= start < n:
                raise ValueError(f"an episode must be on a tape of {n} entries")
            if options.shape[0] != last - first or unit.shape[0] != last - first:
                raise ValueError(f"options and unit must have {last - first} entries each")
            if k and first < self.holding[k - 1].first:
                raise ValueError("episodes must be in order of entry")
            if last > first:
                h.options, h.unit = &options[0], &unit[0]
        self.order = np.argsort(np.array([each[1] for each in holdings], np.int64), kind="stable")
        if self.all.episodes:
            self.all.order = &self.order[0]
        return 0

    def __dealloc__(self):
        free(self.holding)
        free(self.block)
        free(self.span)

    def course(self, outcome, Fills fills not None, const double[:, ::1] profit not None):
        """Profit of all episodes together, hedged as ``Lives.hedge`` found.

        Parameters
        ----------
        outcome : array of OUTCOME, shape (ways, episodes)
        fills : Fills
        profit : array, shape (ways, episodes)
            What each episode ends with.

        Returns
        -------
        shown : array, shape (ways, entries)
            At the entries asked for.
        fall : array, shape (ways,)
            The deepest below the highest point so far, which starts at zero.
        """
        cdef Py_ssize_t c, ways = len(outcome), n = self.all.episodes, m = self.all.asked
        if outcome.shape != (ways, n) or outcome.dtype != OUTCOME or not outcome.flags.c_contiguous \
                or profit.shape[0] != ways or profit.shape[1] != n or ways > fills.ways:
            raise ValueError(f"expected what {n} episodes came to in {ways} ways")
        traded = outcome["trades"].sum(axis=1)
        cdef const double[:, ::1] so_far = np.cumsum(np.take(profit, self.order, axis=1), axis=1)
        shown, fall = np.empty((ways, m)), np.empty(ways)
        cdef double[::1] deepest = fall
        cdef gc_room room
        room.at, room.state, room.bounds = NULL, NULL, NULL
        cdef gc_course *course = NULL
        try:
            room.at = <gc_holder *> fresh(n, sizeof(gc_holder))
            room.state = <gc_holder *> fresh(self.spans, sizeof(gc_holder))
            room.bounds = <gc_bounds *> fresh(self.all.blocks, sizeof(gc_bounds))
            course = <gc_course *> fresh(ways, sizeof(gc_course))
            for c in range(ways):
                if traded[c] != fills.all[c].count:
                    raise ValueError("expected the fills of this outcome")
                course[c].fills = <const gc_fill *> fills.all[c].data
                course[c].out = <const gc_outcome *> cnp.PyArray_DATA(outcome) + c * n
                course[c].so_far = &so_far[c, 0] if n else NULL
                course[c].shown = <double *> cnp.PyArray_DATA(shown) + c * m
            with nogil:
                gc_pass_all_best(&self.all, ways, course, &room)
            for c in range(ways):
                deepest[c] = course[c].fall
        finally:
            free(room.at)
            free(room.state)
            free(room.bounds)
            free(course)
        return shown, fall
