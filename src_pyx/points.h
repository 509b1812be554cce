/* One option without the block machinery; part of loops.h.
 *
 * The same functions in the same order as in the loops, so the result is that of a lane,
 * bit for bit (tests/test_arrays.py).
 */

/* `values` in the order of the columns. */
GC_INLINE GC_TARGET double GC_LOOP(gc_forward_point)(int model, const double *values)
{
    if (model != GC_BLACK_SCHOLES) return values[GC_UNDERLYING];
    double carry = values[GC_RATE] - values[GC_DIVIDEND];
    return values[GC_UNDERLYING] * gc_exp(carry * values[GC_TAU]);
}

GC_INLINE GC_TARGET double GC_LOOP(gc_discount_point)(int model, const double *values)
{
    double rate = values[GC_RATE];
    if (model >= GC_INVERSE) return 1.0 / values[GC_UNDERLYING];
    if (rate == 0.0) return 1.0;
    return fabs(rate) <= DBL_MAX ? gc_exp(-rate * values[GC_TAU]) : NAN;
}

static GC_TARGET double GC_LOOP(gc_price_point)(int model, double theta, const double *values)
{
    double forward = GC_LOOP(gc_forward_point)(model, values), df = GC_LOOP(gc_discount_point)(model, values);
    double strike = values[GC_STRIKE], tau = values[GC_TAU];
    gc_reduced r = gc_reduce(forward, strike, tau, sqrt(tau), values[GC_VOL]);
    double b = gc_in_tails(r.x, r.total_vol) ? gc_price_tails(r.total_vol, r.y)
                                             : gc_price_series(r.x, r.total_vol, r.y);
    double intrinsic = theta * (forward - strike);
    return df * (r.small * b + (intrinsic < 0.0 ? 0.0 : intrinsic));
}

static GC_TARGET double GC_LOOP(gc_implied_point)(int model, double theta, const double *values, int *status)
{
    double forward = GC_LOOP(gc_forward_point)(model, values), df = GC_LOOP(gc_discount_point)(model, values);
    double strike = values[GC_STRIKE], tau = values[GC_TAU], price = values[GC_VOL];
    gc_iv_problem p = gc_iv_reduce(theta, price, forward, strike, tau, df);
    *status = GC_IV_OK;
    if (p.poison != 0.0) {
        *status = gc_iv_status(theta, price, forward, strike, tau, df);
        return NAN;
    }
    double total = gc_iv_explicit(p.x, p.l);
    if (!gc_iv_explicit_holds(p.x, p.l, total)) {
        double c = p.time_value / p.small, guess = gc_iv_guess(p.x, p.l);
        if (!gc_iv_guess_holds(p.x, p.l, guess)) total = gc_iv_iterate(p.x, p.l, p.time_value, p.small);
        else if (gc_in_tails(p.x, guess)) total = gc_iv_step_tails(p.x, c, guess);
        else total = gc_iv_step_series(p.x, c, guess);
    }
    return total / sqrt(tau);
}
