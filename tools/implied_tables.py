"""Write src_pyx/implied_tables.h: the two functions behind the explicit implied volatility.

    python tools/implied_tables.py > src_pyx/implied_tables.h

g(l) = (y/l)^2, where l = ln(1 + y/(phi(y) M(y))) is the logarithm of in-the-money over
out-of-the-money value in Bachelier's model: minimax rationals by the Remez exchange of
mills_remez.py.

rho(X, N) = (psi - 1)/N, psi = s/n, X = x^2, N = n^2, where n = x/(l sqrt(g(l))) with l taken from Black's
prices: ratios of polynomials of a total degree, by linearised least squares in the error of psi,
reweighted towards its maximum. 60 digits. Takes a quarter of a minute. Derivation: docs/numerics.md.
"""

import mpmath as mp
from mills_remez import bachelier, mills, remez

mp.mp.dps = 50

PREAMBLE = """/* Coefficients for implied.h, low order first: written by tools/implied_tables.py.
 *
 * GC_BACH_IV_*  g(l) = (y / l)^2 on [0, {l_max}], minimax (14, 14), error {error_g}.
 * GC_BACH_GUESS_*  the same function on [0, {l_guess}], minimax (5, 6), error {error_guess}.
 * GC_RHO_NUMj/DENj  coefficient of N^j, a polynomial in X = x^2, in the numerator or
 *     denominator of rho(X, N); least squares on x <= 1, s <= 1, error of psi {error_rho}.
 * GC_RHO_GUESS_*  the low-degree rho on x <= 3, s <= 3, error of psi {error_rho_guess}.
 */
#ifndef GAMMACORE_IMPLIED_TABLES_H
#define GAMMACORE_IMPLIED_TABLES_H
"""

L_MAX, L_GUESS = 44, 700
GRID = 26


def y_of(ell: mp.mpf) -> mp.mpf:
    """Solve ell = ln(1 + y/m), m = phi(y) M(y) the Bachelier price, m' = -phi(y) R(y)."""
    y = ell / mp.sqrt(2 * mp.pi + ell / 2)
    for _ in range(200):
        m, slope = mp.npdf(y) * bachelier(y), -mp.npdf(y) * mills(y)
        step = (mp.log1p(y / m) - ell) * m * (m + y) / (m - y * slope)
        y = y - step if step < y else y / 2
        if abs(step) < mp.mpf(10) ** -40 * y:
            return y
    raise ArithmeticError(f"no y for ell = {ell}")


def g(ell: mp.mpf) -> mp.mpf:
    """(y/ell)^2."""
    return (y_of(ell) / ell) ** 2 if ell > mp.mpf(10) ** -25 else 1 / (2 * mp.pi)


def points(x_max: int, s_max: int, l_max: int) -> list[tuple[mp.mpf, mp.mpf, mp.mpf]]:
    """(X, N, psi) on a grid of x and s that crowds at its edges."""
    found = []
    smallest = mp.mpf(3) / 100
    for i in range(GRID):
        x = x_max * mp.sin(mp.pi / 2 * (i + mp.mpf(1) / 4) / (GRID - mp.mpf(3) / 4))
        for j in range(GRID):
            s = smallest + (s_max - smallest) * (1 - mp.cos(mp.pi * j / (GRID - 1))) / 2
            price = mp.ncdf(s / 2 - x / s) - mp.exp(x) * mp.ncdf(-x / s - s / 2)
            ell = mp.log1p(mp.expm1(x) / price)
            if ell <= l_max:
                n = x / y_of(ell)
                found.append((x * x, n * n, s / n))
    return found


def triangle(degree: int) -> list[tuple[int, int]]:
    """Exponents of X and N of total degree up to `degree`."""
    return [(i, j) for j in range(degree + 1) for i in range(degree + 1 - j)]


def fit_rho(data, degree, rounds=12):
    """Numerator and denominator by exponents, and the largest relative error of psi."""
    numerator, denominator = triangle(degree), triangle(degree)[1:]
    rows, right = [], []
    for X, N, psi in data:
        rho = (psi - 1) / N
        rows.append([X**i * N**j for i, j in numerator] + [-(X**i) * N**j * rho for i, j in denominator])
        right.append(rho)
    size, count = len(rows[0]), len(numerator)
    denominators, weights = [mp.mpf(1)] * len(data), [mp.mpf(1)] * len(data)
    best = (mp.inf, {}, {})
    for _ in range(rounds):
        scale = [w * N / (psi * q) for w, q, (_, N, psi) in zip(weights, denominators, data, strict=True)]
        scaled = [[v * c for v in row] for row, c in zip(rows, scale, strict=True)]
        target = [r * c for r, c in zip(right, scale, strict=True)]
        normal, moment = mp.matrix(size, size), mp.matrix(size, 1)
        columns = list(zip(*scaled, strict=True))
        for i in range(size):
            for j in range(i, size):
                normal[i, j] = normal[j, i] = mp.fdot(columns[i], columns[j])
            moment[i] = mp.fdot(columns[i], target)
        solution = mp.lu_solve(normal, moment)
        errors = []
        for k, (row, (_, N, psi)) in enumerate(zip(rows, data, strict=True)):
            top = mp.fdot(row[:count], solution[:count])
            denominators[k] = 1 - mp.fdot(row[count:], solution[count:]) / right[k]
            errors.append(N * (top / denominators[k] - right[k]) / psi)
        largest = max(map(abs, errors))
        if largest < best[0]:
            top = dict(zip(numerator, solution[:count], strict=True))
            bottom = {(0, 0): mp.mpf(1)} | dict(zip(denominator, solution[count:], strict=True))
            best = (largest, top, bottom)
        weights = [
            w * mp.sqrt(mp.mpf(1) / 5 + abs(e) / largest) for w, e in zip(weights, errors, strict=True)
        ]
        top_weight = max(weights)
        weights = [w / top_weight for w in weights]
    return best


def table(name: str, coefficients: list[mp.mpf]) -> str:
    """One C array of hex floats, four to a line."""
    hexes = [float(c).hex().replace(".0000000000000p", ".0p") for c in coefficients]
    lines = [", ".join(hexes[i : i + 4]) for i in range(0, len(hexes), 4)]
    return f"static const double {name}[{len(hexes)}] = {{\n    " + ",\n    ".join(lines) + "};\n"


def triangle_tables(name: str, degree: int, coefficients: dict[tuple[int, int], mp.mpf]) -> list[str]:
    """One array for each power of N."""
    return [
        table(f"{name}{j}", [coefficients[i, j] for i in range(degree + 1 - j)]) for j in range(degree + 1)
    ]


def main() -> None:
    """Print the header."""
    error_g, p, q = remez(g, 14, 14, mapping=(mp.mpf(6), mp.mpf(L_MAX)))
    error_guess, p_guess, q_guess = remez(g, 5, 6, mapping=(mp.mpf(6), mp.mpf(L_GUESS)))
    mp.mp.dps = 60
    error_rho, top, bottom = fit_rho(points(1, 1, L_MAX + 2), 4)
    error_rho_guess, top_guess, bottom_guess = fit_rho(points(3, 3, 500), 2)
    errors = {"error_g": error_g, "error_guess": error_guess, "error_rho": error_rho}
    errors["error_rho_guess"] = error_rho_guess
    shown = {name: mp.nstr(error, 2) for name, error in errors.items()}
    parts = [
        PREAMBLE.format(l_max=L_MAX, l_guess=L_GUESS, **shown),
        table("GC_BACH_IV_NUM", p),
        table("GC_BACH_IV_DEN", q),
        table("GC_BACH_GUESS_NUM", p_guess),
        table("GC_BACH_GUESS_DEN", q_guess),
        *triangle_tables("GC_RHO_NUM", 4, top),
        *triangle_tables("GC_RHO_DEN", 4, bottom),
        *triangle_tables("GC_RHO_GUESS_NUM", 2, top_guess),
        *triangle_tables("GC_RHO_GUESS_DEN", 2, bottom_guess),
    ]
    print("\n".join([*parts, "#endif"]))  # noqa: T201


if __name__ == "__main__":
    main()
