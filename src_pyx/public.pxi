# The public functions that are worth calling without a Python layer: price and implied vol.
# gammacore.black76, black_scholes and inverse give them their names; overloads are in _core.pyi.


cdef object general_price(int model, object kind, dict numbers, object out, object threads):
    from gammacore import _arrays
    return _arrays.price(model, kind, numbers, out, threads)


cdef object general_implied(int model, object kind, dict numbers, object status, object method, object out,
                            object threads):
    from gammacore import _arrays
    return _arrays.implied_vol(model, kind, numbers, status, method, out, threads)


def black76_price(kind, forward, strike, tau, vol, rate=0.0, *, out=None, int threads=1):
    """Black-76 price.

    Parameters
    ----------
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
    out : ndarray, optional
        A float64 array of the broadcast shape to write into; it is returned. It may be
        one of the inputs.
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

    Returns
    -------
    float or ndarray
        Price in the currency of forward and strike. A float if every argument is a scalar or
        0-d and there is no `out`; NaN where an input is NaN or outside its domain.

    Raises
    ------
    ValueError
        If `kind` is none of the above, shapes do not broadcast or `out` does not fit.
    TypeError
        If an argument is not real-valued.

    Notes
    -----
    ``D * kind * (F * N(kind * d1) - K * N(kind * d2))`` with ``D = exp(-rate * tau)`` and
    ``d1,2 = ln(F/K) / s +- s/2``, ``s = vol * sqrt(tau)``. At ``s == 0`` it is discounted
    intrinsic value; at infinite vol ``D * F`` (call) or ``D * K`` (put). The relative error
    is below 8 times ``2**-53 * (1 + vol * vega / price)``.

    Examples
    --------
    >>> price("call", 60_000.0, 60_000.0, 7 / 365, 0.6)
    1988.3381...
    """
    cdef object value
    if threads == 1:
        value = price_fast(GC_BLACK76, kind, forward, strike, tau, vol, rate, 0.0, out)
        if value is not None:
            return value
    return general_price(GC_BLACK76, kind, {
        "forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": rate, "dividend": 0.0,
    }, out, threads)


def black76_implied_vol(kind, price, forward, strike, tau, rate=0.0, *, bint status=False, method="auto", out=None,
        int threads=1):
    """Volatility at which `price` is the Black-76 price.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    price : array_like
        Option price in the currency of forward and strike.
    forward : array_like
        Forward price F > 0 for the option's expiry.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    rate : array_like, optional
        Continuously compounded rate, of any sign; ``exp(-rate * tau)`` must be in the range of doubles.
    status : bool, optional
        Also return what became of each volatility.
    method : {'auto', 'newton'}, optional
        'newton' solves every problem by bracketed iteration, for comparison; slow.
    out : ndarray, optional
        A float64 array of the broadcast shape to write into; it is returned. It may be
        one of the inputs.
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

    Returns
    -------
    vol : float or ndarray
        Volatility as a decimal per square root of a year; NaN where there is none.
    status : IVStatus or ndarray of int8
        Only with ``status=True``: why. Codes are those of `gammacore.IVStatus`.

    Raises
    ------
    ValueError, TypeError
        As `price`. A price without a volatility is never an exception.

    Notes
    -----
    Explicit in the domain of quotes (``|ln(F/K)| <= 1``, total vol up to 1): a rational
    function of ``ln(ITM value / OTM value)`` corrected by a bivariate one. Elsewhere one
    fourth-order step or a bracketed iteration. The error is below 8 times
    ``2**-53 * max(1, price / (vol * vega))``, the latter being what the rounding of the
    price alone does. See docs/numerics.md.

    Examples
    --------
    >>> round(implied_vol("call", 1988.3381041063, 60_000.0, 60_000.0, 7 / 365), 8)
    0.6
    >>> implied_vol("put", 0.0, 60_000.0, 50_000.0, 7 / 365, status=True)
    (nan, <IVStatus.AT_INTRINSIC: 2>)
    """
    cdef object value
    if threads == 1 and method == "auto":
        value = implied_fast(GC_BLACK76, kind, price, forward, strike, tau, rate, 0.0, status, out)
        if value is not None:
            return value
    return general_implied(GC_BLACK76, kind, {
        "forward": forward, "strike": strike, "tau": tau, "price": price, "rate": rate, "dividend": 0.0,
    }, status, method, out, threads)


def black_scholes_price(kind, spot, strike, tau, vol, rate=0.0, dividend=0.0, *, out=None, int threads=1):
    """Black-Scholes-Merton price.

    Parameters
    ----------
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
    out : ndarray, optional
        A float64 array of the broadcast shape to write into; it is returned. It may be
        one of the inputs.
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

    Returns
    -------
    float or ndarray
        Price in the currency of spot and strike. A float if every argument is a scalar or
        0-d and there is no `out`; NaN where an input is NaN or outside its domain.

    Raises
    ------
    ValueError
        If `kind` is none of the above, shapes do not broadcast or `out` does not fit.
    TypeError
        If an argument is not real-valued.

    Notes
    -----
    ``kind * (S * exp(-dividend * tau) * N(kind * d1) - K * exp(-rate * tau) * N(kind * d2))``.
    At ``vol * sqrt(tau) == 0`` it is the discounted intrinsic value of the forward.

    Examples
    --------
    >>> price("call", 60.0, 65.0, 0.25, 0.30, rate=0.08)
    2.1333...
    """
    cdef object value
    if threads == 1:
        value = price_fast(GC_BLACK_SCHOLES, kind, spot, strike, tau, vol, rate, dividend, out)
        if value is not None:
            return value
    return general_price(GC_BLACK_SCHOLES, kind, {
        "spot": spot, "strike": strike, "tau": tau, "vol": vol, "rate": rate, "dividend": dividend,
    }, out, threads)


def black_scholes_implied_vol(kind, price, spot, strike, tau, rate=0.0, dividend=0.0, *, bint status=False, method="auto", out=None,
        int threads=1):
    """Volatility at which `price` is the Black-Scholes-Merton price.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    price : array_like
        Option price in the currency of spot and strike.
    spot : array_like
        Spot price S > 0.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    rate : array_like, optional
        Continuously compounded rate, of any sign; ``exp(-rate * tau)`` must be in the range of doubles.
    dividend : array_like, optional
        Continuous dividend yield (for a coin: its lending rate), of any sign.
    status : bool, optional
        Also return what became of each volatility.
    method : {'auto', 'newton'}, optional
        'newton' solves every problem by bracketed iteration, for comparison; slow.
    out : ndarray, optional
        A float64 array of the broadcast shape to write into; it is returned. It may be
        one of the inputs.
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

    Returns
    -------
    vol : float or ndarray
        Volatility as a decimal per square root of a year; NaN where there is none.
    status : IVStatus or ndarray of int8
        Only with ``status=True``: why. Codes are those of `gammacore.IVStatus`.

    Raises
    ------
    ValueError, TypeError
        As `price`. A price without a volatility is never an exception.

    Notes
    -----
    Explicit in the domain of quotes (``|ln(F/K)| <= 1``, total vol up to 1): a rational
    function of ``ln(ITM value / OTM value)`` corrected by a bivariate one. Elsewhere one
    fourth-order step or a bracketed iteration. The error is below 8 times
    ``2**-53 * max(1, price / (vol * vega))``, the latter being what the rounding of the
    price alone does. See docs/numerics.md.

    Examples
    --------
    >>> round(implied_vol("call", 2.1333684449, 60.0, 65.0, 0.25, rate=0.08), 8)
    0.3
    """
    cdef object value
    if threads == 1 and method == "auto":
        value = implied_fast(GC_BLACK_SCHOLES, kind, price, spot, strike, tau, rate, dividend, status, out)
        if value is not None:
            return value
    return general_implied(GC_BLACK_SCHOLES, kind, {
        "spot": spot, "strike": strike, "tau": tau, "price": price, "rate": rate, "dividend": dividend,
    }, status, method, out, threads)


def inverse_price(kind, forward, strike, tau, vol, *, out=None, int threads=1):
    """Price in coin of a coin-settled option.

    Parameters
    ----------
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
    out : ndarray, optional
        A float64 array of the broadcast shape to write into; it is returned. It may be
        one of the inputs.
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

    Returns
    -------
    float or ndarray
        Price in coin. A float if every argument is a scalar or
        0-d and there is no `out`; NaN where an input is NaN or outside its domain.

    Raises
    ------
    ValueError
        If `kind` is none of the above, shapes do not broadcast or `out` does not fit.
    TypeError
        If an argument is not real-valued.

    Notes
    -----
    ``kind * (N(kind * d1) - (K/F) * N(kind * d2))``; parity reads call - put = 1 - K/F.

    Examples
    --------
    >>> price("call", 60_000.0, 60_000.0, 7 / 365, 0.6)
    0.0331389...
    """
    cdef object value
    if threads == 1:
        value = price_fast(GC_INVERSE, kind, forward, strike, tau, vol, 0.0, 0.0, out)
        if value is not None:
            return value
    return general_price(GC_INVERSE, kind, {
        "forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": 0.0, "dividend": 0.0,
    }, out, threads)


def inverse_implied_vol(kind, price, forward, strike, tau, *, bint status=False, method="auto", out=None,
        int threads=1):
    """Volatility at which `price` is the coin price of the option.

    Parameters
    ----------
    kind : {+1, -1, 'call', 'put', 'c', 'p'} or array_like of those
        Call or put, in any letter case.
    price : array_like
        Option price in coin.
    forward : array_like
        Forward price F > 0 for the option's expiry.
    strike : array_like
        Strike K > 0.
    tau : array_like
        Time to expiry in years, >= 0.
    status : bool, optional
        Also return what became of each volatility.
    method : {'auto', 'newton'}, optional
        'newton' solves every problem by bracketed iteration, for comparison; slow.
    out : ndarray, optional
        A float64 array of the broadcast shape to write into; it is returned. It may be
        one of the inputs.
    threads : int, optional
        How many threads to share large arrays among; 1, the default, starts none. The
        result does not depend on it, bit for bit.

    Returns
    -------
    vol : float or ndarray
        Volatility as a decimal per square root of a year; NaN where there is none.
    status : IVStatus or ndarray of int8
        Only with ``status=True``: why. Codes are those of `gammacore.IVStatus`.

    Raises
    ------
    ValueError, TypeError
        As `price`. A price without a volatility is never an exception.

    Notes
    -----
    Explicit in the domain of quotes (``|ln(F/K)| <= 1``, total vol up to 1): a rational
    function of ``ln(ITM value / OTM value)`` corrected by a bivariate one. Elsewhere one
    fourth-order step or a bracketed iteration. The error is below 8 times
    ``2**-53 * max(1, price / (vol * vega))``, the latter being what the rounding of the
    price alone does. See docs/numerics.md.

    Examples
    --------
    >>> round(implied_vol("call", 0.0331389684, 60_000.0, 60_000.0, 7 / 365), 8)
    0.6
    """
    cdef object value
    if threads == 1 and method == "auto":
        value = implied_fast(GC_INVERSE, kind, price, forward, strike, tau, 0.0, 0.0, status, out)
        if value is not None:
            return value
    return general_implied(GC_INVERSE, kind, {
        "forward": forward, "strike": strike, "tau": tau, "price": price, "rate": 0.0, "dividend": 0.0,
    }, status, method, out, threads)
