"""Rational minimax fits; normal_tables.py and implied_tables.py use them.

Remez exchange for P/Q in relative (or otherwise weighted) error, on y in [0, y_max] mapped to w in [-1, 1] by
y = c (1 + u)/(1 - u) with u linear in w, so that the nodes crowd where the function bends. Each
exchange solves the linearised equioscillation P - f Q = (-1)^i E Q / weight, with the last Q
on the right, a few times over. 50 digits: in double precision it stalls at 1e-13.
"""

import mpmath as mp

mp.mp.dps = 50

Y_MAX = mp.mpf(40)
CENTRE = mp.mpf(2)
GRID = 800
MAPPING = (CENTRE, Y_MAX)


def mills(y: mp.mpf) -> mp.mpf:
    """R(y)."""
    return mp.sqrt(mp.pi / 2) * mp.exp(y * y / 2) * mp.erfc(y / mp.sqrt(2))


def bachelier(y: mp.mpf) -> mp.mpf:
    """M(y)."""
    return 1 - y * mills(y)


def to_y(w: mp.mpf, mapping: tuple[mp.mpf, mp.mpf]) -> mp.mpf:
    """[-1, 1] to [0, largest], half of it below about `centre`."""
    centre, largest = mapping
    u = -1 + (1 + (largest - centre) / (largest + centre)) * (w + 1) / 2
    return centre * (1 + u) / (1 - u)


def equioscillate(ys, fs, weights, m, n, q):
    """Solve for P (m+1 coefficients) and Q (n+1, the first is 1) on m+n+2 nodes."""
    size = m + n + 2
    for _ in range(4):
        matrix, right = mp.matrix(size, size), mp.matrix(size, 1)
        for i, (y, f, weight) in enumerate(zip(ys, fs, weights, strict=True)):
            scale = weight / mp.polyval(q[::-1], y)
            for j in range(m + 1):
                matrix[i, j] = y**j * scale
            for j in range(n):
                matrix[i, m + 1 + j] = -f * y ** (j + 1) * scale
            matrix[i, size - 1] = (-1) ** i
            right[i] = f * scale
        solution = mp.lu_solve(matrix, right)
        p = [solution[j] for j in range(m + 1)]
        q = [mp.mpf(1)] + [solution[m + 1 + j] for j in range(n)]
    return p, q


def alternation(errors, count):
    """Find `count` alternating extrema, dropping the smaller end while there are more."""
    extrema: list[int] = []
    for i, e in enumerate(errors):
        if extrema and mp.sign(errors[extrema[-1]]) == mp.sign(e):
            if abs(e) > abs(errors[extrema[-1]]):
                extrema[-1] = i
        else:
            extrema.append(i)
    while len(extrema) > count:
        extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
    return extrema


def remez(function, m, n, rounds=12, mapping=MAPPING, weight=None):
    """Best weighted error found on the grid, P and Q, low order first.

    The error is relative unless `weight`, a function of y, says otherwise.
    """
    count = m + n + 2
    grid = [to_y(-mp.cos(mp.pi * (i + mp.mpf(1) / 2) / GRID), mapping) for i in range(GRID)]
    grid = [mp.mpf(0), *grid, mapping[1]]
    weight = weight or (lambda y: 1 / abs(function(y)))
    values, weights = [function(y) for y in grid], [weight(y) for y in grid]
    nodes = [to_y(-mp.cos(mp.pi * i / (count - 1)), mapping) for i in range(count)]
    best = (mp.inf, [], [])
    q = [mp.mpf(1)]
    for _ in range(rounds):
        p, q = equioscillate(nodes, [function(y) for y in nodes], [weight(y) for y in nodes], m, n, q)
        errors = [
            (mp.polyval(p[::-1], y) / mp.polyval(q[::-1], y) - f) * w
            for y, f, w in zip(grid, values, weights, strict=True)
        ]
        best = min(best, (max(map(abs, errors)), p, q), key=lambda found: found[0])
        extrema = alternation(errors, count)
        if len(extrema) < count:
            break
        nodes = [grid[i] for i in extrema]
    return best
