"""Write src_pyx/normal_tables.h: Mills ratio, Bachelier price, logarithm, exponential.

    python tools/normal_tables.py > src_pyx/normal_tables.h

The two rationals come from mills_remez.py. The two polynomials are Chebyshev fits with 50 digits,
within a few per cent of minimax. Takes a quarter of a minute.
"""

import mpmath as mp
from mills_remez import bachelier, mills, remez

mp.mp.dps = 50

PREAMBLE = """/* Coefficients for normal.h, low order first: written by tools/normal_tables.py.
 *
 * All coefficients of the Mills and Bachelier rationals are positive, so evaluating them
 * on y >= 0 cannot cancel.
 */
#ifndef GAMMACORE_NORMAL_TABLES_H
#define GAMMACORE_NORMAL_TABLES_H
"""


def log_remainder(z: mp.mpf) -> mp.mpf:
    """L(z) = (2 artanh(f)/f - 2)/z, f = sqrt(z)."""
    return mp.fsum(2 * z**i / (2 * i + 3) for i in range(60))


def exp_remainder(r: mp.mpf) -> mp.mpf:
    """E(r) = (exp(r) - 1 - r)/r^2."""
    return mp.fsum(r**i / mp.factorial(i + 2) for i in range(40))


def table(comment: str, name: str, coefficients: list[mp.mpf]) -> str:
    """One C array of hex floats, four to a line."""
    hexes = [float(c).hex().replace(".0000000000000p", ".0p") for c in coefficients]
    lines = [", ".join(hexes[i : i + 4]) for i in range(0, len(hexes), 4)]
    head = f"/* {comment} */\n" if comment else ""
    return f"{head}static const double {name}[{len(hexes)}] = {{\n    " + ",\n    ".join(lines) + "};\n"


def main() -> None:
    """Print the header."""
    parts = [PREAMBLE]
    for name, formula, function, m, n in (
        ("MILLS", "R(y) = (1 - N(y)) / phi(y)", mills, 9, 10),
        ("BACHELIER", "M(y) = 1 - y R(y)", bachelier, 9, 11),
    ):
        error, p, q = remez(function, m, n)
        comment = f"{formula} on [0, 40], degree ({m}, {n}), relative error {mp.nstr(error, 2)}."
        parts += [table(comment, f"GC_{name}_NUM", p), table("", f"GC_{name}_DEN", q)]
    # Mantissas within sqrt 2 of each other: |f| <= (sqrt 2 - 1)/(sqrt 2 + 1), z = f^2.
    largest = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
    half = mp.ln2 / 2
    # The last column turns the error of the fit into that of the logarithm, relative, and of exp.
    for name, comment, function, interval, degree, weight in (
        (
            "LOG",
            "L(z) = (2 artanh(f)/f - 2) / z, z = f^2 <= 0.0295",
            log_remainder,
            [0, largest],
            6,
            largest / 2,
        ),
        ("EXP", "E(r) = (exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2", exp_remainder, [-half, half], 9, half**2),
    ):
        coefficients, error = mp.chebyfit(function, interval, degree + 1, error=True)
        result = "the logarithm" if name == "LOG" else "exp"
        comment = f"{comment}, error of {result} {mp.nstr(error * weight, 2)}."
        parts.append(table(comment, f"GC_{name}", coefficients[::-1]))
    print("\n".join([*parts, "#endif"]))  # noqa: T201


if __name__ == "__main__":
    main()
