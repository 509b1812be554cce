# Chosen Greeks without a Python layer; as in public.pxi.

cdef tuple known_names = (None, None)
cdef tuple known_slots = (None, None)


cdef tuple slots_of(object names, bint inverse):
    """Positions of Greeks; the last tuple of names is remembered, since most calls repeat it."""
    global known_names, known_slots
    if names is known_names[inverse]:
        return known_slots[inverse]
    from gammacore import _arrays
    cdef tuple slots = _arrays.slots(tuple(names), inverse)
    if type(names) is tuple:  # others may change
        known_names = (known_names[0], names) if inverse else (names, known_names[1])
        known_slots = (known_slots[0], slots) if inverse else (slots, known_slots[1])
    return slots


cdef object general_greeks(int model, object kind, dict numbers, tuple slots, object out, object threads):
    from gammacore import _arrays
    found = _arrays.greeks(model, kind, numbers, slots, out, threads)
    return found if out is None else out


def black76_sensitivities(names, kind, forward, strike, tau, vol, rate=0.0, *, out=None, int threads=1):
    """Compute the named derivatives only, and pay for these only.

    Parameters
    ----------
    names : sequence of str
        Which, in any order: price, delta, gamma, vega, theta, rho, vanna, volga, charm,
        speed, zomma, color, veta, ultima, dual_delta, dual_gamma.
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    forward : array_like
        Forward price F > 0 for the option's expiry.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    vol : array_like
        Volatility as a decimal per square root of a year, >= 0. Infinity is allowed.
    rate : array_like, optional
        Continuously compounded rate, of any sign; ``exp(-rate * tau)`` must be in the range of doubles.
    out : tuple of ndarray, optional
        Float64 arrays of the broadcast shape to write into; it is returned.
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

    Returns
    -------
    tuple
        In the order of `names`. Floats if every argument is a scalar or 0-d, else arrays.

    Raises
    ------
    ValueError
        If a name is unknown or comes twice, or as `price`.
    TypeError
        As `price`.

    Notes
    -----
    Beyond those of `greeks`: `speed` d gamma / dF, `zomma` d gamma / d vol, `color` d gamma / dt,
    `veta` d vega / dt, `ultima` d volga / d vol, `dual_delta` dV/dK, `dual_gamma` d2V/dK2; t is
    calendar time, in years. A Greek has the same bits here and in `greeks`.

    Examples
    --------
    >>> sensitivities(("gamma", "speed"), "call", 60_000.0, 63_000.0, 7 / 365, 0.6)
    (6.8953...e-05, 6.3975...e-09)
    """
    cdef object found
    cdef tuple slots = slots_of(names, False)
    if threads == 1:
        found = greeks_fast(GC_BLACK76, kind, forward, strike, tau, vol, rate, 0.0, slots, out)
        if found is not None:
            return found if out is None else out
    return general_greeks(GC_BLACK76, kind, {
        "forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": rate, "dividend": 0.0,
    }, slots, out, threads)


def black_scholes_sensitivities(names, kind, spot, strike, tau, vol, rate=0.0, dividend=0.0,
        *, out=None, int threads=1):
    """Compute the named derivatives only, and pay for these only.

    Parameters
    ----------
    names : sequence of str
        Which, in any order: price, delta, gamma, vega, theta, rho, vanna, volga, charm,
        speed, zomma, color, veta, ultima, dual_delta, dual_gamma.
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    spot : array_like
        Spot price S > 0.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    vol : array_like
        Volatility as a decimal per square root of a year, >= 0. Infinity is allowed.
    rate : array_like, optional
        Continuously compounded rate, of any sign; ``exp(-rate * tau)`` must be in the range of doubles.
    dividend : array_like, optional
        Continuous dividend yield (for a coin: its lending rate), of any sign.
    out : tuple of ndarray, optional
        Float64 arrays of the broadcast shape to write into; it is returned.
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

    Returns
    -------
    tuple
        In the order of `names`. Floats if every argument is a scalar or 0-d, else arrays.

    Raises
    ------
    ValueError
        If a name is unknown or comes twice, or as `price`.
    TypeError
        As `price`.

    Notes
    -----
    Beyond those of `greeks`: `speed` d gamma / dS, `zomma` d gamma / d vol, `color` d gamma / dt,
    `veta` d vega / dt, `ultima` d volga / d vol, `dual_delta` dV/dK, `dual_gamma` d2V/dK2; t is
    calendar time, in years. A Greek has the same bits here and in `greeks`.

    Examples
    --------
    >>> sensitivities(("dual_delta",), "call", 60.0, 65.0, 0.25, 0.30, rate=0.08)
    (-0.3110...,)
    """
    cdef object found
    cdef tuple slots = slots_of(names, False)
    if threads == 1:
        found = greeks_fast(GC_BLACK_SCHOLES, kind, spot, strike, tau, vol, rate, dividend, slots, out)
        if found is not None:
            return found if out is None else out
    return general_greeks(GC_BLACK_SCHOLES, kind, {
        "spot": spot, "strike": strike, "tau": tau, "vol": vol, "rate": rate, "dividend": dividend,
    }, slots, out, threads)


cdef int inverse_model(object numeraire) except -1:
    from gammacore import inverse
    return inverse.model_of(numeraire)


def inverse_sensitivities(names, kind, forward, strike, tau, vol,
        *, numeraire="usd", out=None, int threads=1):
    """Compute the named derivatives only, and pay for these only.

    Parameters
    ----------
    names : sequence of str
        Which, in any order: price, delta, gamma, vega, theta, rho, vanna, volga, charm,
        speed, zomma, color, veta, ultima, dual_delta, dual_gamma, net_delta.
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    forward : array_like
        Forward price F > 0 for the option's expiry.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    vol : array_like
        Volatility as a decimal per square root of a year, >= 0. Infinity is allowed.
    numeraire : {'usd', 'coin'}, optional
        Whose value is differentiated: the USD value ``forward * price``, as the exchange
        does, or the coin value, which is what a coin account gains and loses.
    out : tuple of ndarray, optional
        Float64 arrays of the broadcast shape to write into; it is returned.
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

    Returns
    -------
    tuple
        In the order of `names`. Floats if every argument is a scalar or 0-d, else arrays.

    Raises
    ------
    ValueError
        If a name is unknown or comes twice, or as `price`.
    TypeError
        As `price`.

    Notes
    -----
    Beyond those of `greeks`: `speed` d gamma / dF, `zomma` d gamma / d vol, `color` d gamma / dt,
    `veta` d vega / dt, `ultima` d volga / d vol, `dual_delta` dV/dK, `dual_gamma` d2V/dK2; t is
    calendar time, in years. `price` is in coin and `net_delta` the same for either numeraire.
    In coin `delta` is ``net_delta / forward``.

    Examples
    --------
    >>> sensitivities(("gamma",), "call", 60_000.0, 60_000.0, 7 / 365, 0.6, numeraire="coin")
    (1.06...e-09,)
    """
    cdef object found
    cdef tuple slots = slots_of(names, True)
    cdef int model = GC_INVERSE if numeraire == "usd" else inverse_model(numeraire)
    if threads == 1:
        found = greeks_fast(model, kind, forward, strike, tau, vol, 0.0, 0.0, slots, out)
        if found is not None:
            return found if out is None else out
    return general_greeks(model, kind, {
        "forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": 0.0, "dividend": 0.0,
    }, slots, out, threads)
