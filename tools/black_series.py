"""Write src_pyx/black_tables.h: the polynomials of the series regime of black.h.

    python tools/black_series.py > src_pyx/black_tables.h

With X = x^2/4 and T = s^2/4 the normalised Black price is
scale * s * (C0(X) M(y) - T G(X, T)), where C0 = sinh(sqrt X)/sqrt X and
G = sum_j (-1)^j (2j+1)!! T^j C_{j+1}(X), C_j(X) = sum_i X^i / (2i + 2j + 1)!.
Each C_j is fitted on [0, X_MAX] with the lowest degree whose error, times what
multiplies it at T_MAX, stays below TARGET. Derivation: docs/numerics.md.
"""

import mpmath as mp

mp.mp.dps = 50

X_MAX = mp.mpf(9) / 16  # x <= 1.5
T_MAX = mp.mpf(9) ** 2 / 400  # s <= 0.9
TARGET = mp.mpf(2) ** -57

PREAMBLE = """/* Coefficients for black.h, low order first: written by tools/black_series.py.
 *
 * GC_SERIES_C0 is sinh(sqrt(X))/sqrt(X) on X <= 9/16. GC_SERIES_Gj is
 * (-1)^j (2j+1)!! * sum_i X^i / (2i + 2j + 3)!, the coefficient of T^j in G(X, T);
 * the degrees fall with j because T <= 0.2025.
 */
#ifndef GAMMACORE_BLACK_TABLES_H
#define GAMMACORE_BLACK_TABLES_H
"""


def entire(j: int, X: mp.mpf) -> mp.mpf:
    """C_j(X)."""
    return mp.fsum(X**i / mp.factorial(2 * i + 2 * j + 1) for i in range(30))


def fit(j: int, weight: mp.mpf) -> list[mp.mpf]:
    """Coefficients of C_j, low order first, with weight * error below TARGET."""
    for degree in range(9):
        coefficients, error = mp.chebyfit(lambda X: entire(j, X), [0, X_MAX], degree + 1, error=True)
        if weight * error < TARGET:
            return list(reversed(coefficients))
    raise ArithmeticError(f"no degree below 9 is enough for C_{j}")


def table(name: str, coefficients: list[mp.mpf]) -> str:
    """One C array of hex floats, four to a line."""
    hexes = [float(c).hex().replace(".0000000000000p", ".0p") for c in coefficients]
    lines = [", ".join(hexes[i : i + 4]) for i in range(0, len(hexes), 4)]
    return f"static const double {name}[{len(hexes)}] = {{\n    " + ",\n    ".join(lines) + "};\n"


def main() -> None:
    """Print the header."""
    parts = [PREAMBLE, table("GC_SERIES_C0", fit(0, mp.mpf(1)))]
    j = 0
    while (weight := mp.fac2(2 * j + 1) * T_MAX ** (j + 1)) * entire(j + 1, X_MAX) > TARGET:
        signed = [(-1) ** j * mp.fac2(2 * j + 1) * c for c in fit(j + 1, weight)]
        parts.append(table(f"GC_SERIES_G{j}", signed))
        j += 1
    print("\n".join([*parts, "#endif"]))  # noqa: T201


if __name__ == "__main__":
    main()
