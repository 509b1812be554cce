"""Write src_pyx/hedging_tables.h: circle, short exponential, short Mills ratio of the simulator.

    python tools/hedging_tables.py > src_pyx/hedging_tables.h

The short Mills ratio is a Remez fit (mills_remez.py) whose error is weighted by the density that it
is multiplied with; the polynomials are Chebyshev fits with 50 digits. Takes some seconds.
"""

import mpmath as mp
from mills_remez import mills, remez
from normal_tables import exp_remainder, table

mp.mp.dps = 50

PREAMBLE = """/* Coefficients for variates.h and delta.h, low order first: written by tools/hedging_tables.py.
 */
#ifndef GAMMACORE_HEDGING_TABLES_H
#define GAMMACORE_HEDGING_TABLES_H
"""

LARGEST = mp.mpf("8.5")  # N(-8.5) = 1e-17
FLOOR = mp.mpf(10) ** -5  # keeps the ratio from losing all accuracy in the tail


def sine(z: mp.mpf) -> mp.mpf:
    """S(z) = sin(pi v/2)/v, v = sqrt(z)."""
    return mp.pi / 2 if z == 0 else mp.sin(mp.pi * mp.sqrt(z) / 2) / mp.sqrt(z)


def cosine(z: mp.mpf) -> mp.mpf:
    """C(z) = cos(pi v/2), v = sqrt(z)."""
    return mp.cos(mp.pi * mp.sqrt(z) / 2)


def main() -> None:
    """Print the header."""
    parts = [PREAMBLE]
    quarter = [0, mp.mpf(1) / 4]
    half = mp.ln2 / 2
    for name, comment, function, interval, terms, weight in (
        ("SINE", "S(z) = sin(pi v/2)/v, z = v^2 <= 1/4", sine, quarter, 6, 1),
        ("COSINE", "C(z) = cos(pi v/2), z = v^2 <= 1/4", cosine, quarter, 7, 1),
        (
            "SHORT_EXP",
            "E(r) = (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2, times r^2",
            exp_remainder,
            [-half, half],
            8,
            half**2,
        ),
    ):
        coefficients, error = mp.chebyfit(function, interval, terms, error=True)
        parts.append(
            table(f"{comment}, error {mp.nstr(error * weight, 2)}.", f"GC_{name}", coefficients[::-1])
        )
    error, p, q = remez(mills, 5, 6, mapping=(mp.mpf(2), LARGEST), weight=lambda y: mp.npdf(y) + FLOOR)
    comment = (
        f"R(y) = (1 - N(y)) / phi(y) on [0, 8.5], degree (5, 6), error of phi(y) R(y) {mp.nstr(error, 2)}."
    )
    parts += [table(comment, "GC_SHORT_MILLS_NUM", p), table("", "GC_SHORT_MILLS_DEN", q)]
    print("\n".join([*parts, "#endif"]))  # noqa: T201


if __name__ == "__main__":
    main()
