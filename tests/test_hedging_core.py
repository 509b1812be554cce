"""The simulator's primitives: known answers of Philox, accuracy of normals and deltas."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

from gammacore import _core, _hedging

LEVELS = range(len(_core.supported_levels()))

# Random123 1.14, tests/kat_vectors, philox4x32 with 10 rounds: counter, key, result.
KNOWN = [
    (
        (0x00000000, 0x00000000, 0x00000000, 0x00000000),
        (0x00000000, 0x00000000),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_philox_known_answers(counter, key, result):
    assert _hedging.philox(counter, key) == result


def gbm(steps, seed, vol=1.0):
    """Engine of a driftless Brownian motion with unit steps and no book."""
    return _hedging.Engine(
        grid=(steps, 1.0, 1.0, 0),
        model={"kind": _hedging.GBM, "drift": 0.0, "step_vol": vol},
        book=[],
        policy={"kind": _hedging.NEVER},
        accounts=(0, 0, 1, 0, 0, 1.0, 0.0, 0.0, 0.0),
        costs=(0.0, 0.0, 0.0, 0.0),
        seed=seed,
    )


def log_moves(level, paths, steps, seed, first=0):
    out = np.empty((paths, steps + 1))
    gbm(steps, seed, vol=0.01).prices(level, first, first + paths, out)
    return np.diff(np.log(out), axis=1) / 0.01


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1, 0xDEADBEEF12345678])
def test_blocks_draw_what_the_point_function_draws(level, seed):
    # Counter (path, step // 2), key seed: each level writes its vectors out by hand.
    moves = log_moves(level, 130, 3, seed, first=2**33 - 128)
    for lane in (0, 1, 7, 64, 127, 128, 129):
        path = 2**33 - 128 + lane
        for half in (0, 1):
            words = _hedging.philox((path & 0xFFFFFFFF, path >> 32, half, 0), (seed & 0xFFFFFFFF, seed >> 32))
            pair = _hedging.normals(words[1] << 32 | words[0], words[3] << 32 | words[2])
            expected = pair[: 3 - 2 * half]
            assert moves[lane, 2 * half : 2 * half + 2] == pytest.approx(expected, abs=1e-11)


def test_normals_are_box_and_mullers_to_1e_14():
    rng = np.random.default_rng(1)
    with mp.workdps(40):
        for u, v in rng.integers(0, 2**64, (300, 2), dtype=np.uint64).tolist():
            radius = mp.sqrt(-2 * mp.log((mp.mpf(u >> 12) + mp.mpf(1) / 2) / 2**52))
            angle = (mp.mpf(v >> 12) / 2**52 - mp.mpf(1) / 2) * mp.pi / 2
            point = (mp.cos(angle), mp.sin(angle))
            point = point[::-1] if not v & 1 else point
            sign = -1 if v & 2 else 1
            one, other = _hedging.normals(u, v)
            # bit 0 exchanges the axes
            assert abs(one - sign * radius * point[1]) < 2e-14
            assert abs(other - sign * radius * point[0]) < 2e-14


def test_extreme_bits_stay_finite():
    for u in (0, 2**64 - 1):
        for v in (0, 1, 2, 3, 2**64 - 1):
            assert all(map(math.isfinite, _hedging.normals(u, v)))
    assert math.hypot(*_hedging.normals(0, 0)) == pytest.approx(math.sqrt(2 * 53 * math.log(2)))


def test_normals_look_normal_and_independent():
    moves = log_moves(len(LEVELS) - 1, 40_000, 10, 3)
    assert stats.kstest(moves.ravel(), "norm").pvalue > 1e-3
    assert abs(stats.kurtosis(moves.ravel())) < 0.03
    correlation = np.corrcoef(moves.T) - np.eye(10)
    assert np.abs(correlation).max() < 0.025  # five standard errors
    squares = np.corrcoef((moves**2).T) - np.eye(10)
    assert np.abs(squares).max() < 0.025
    assert np.abs(np.corrcoef(moves[:-1, 0], moves[1:, 0])[0, 1]) < 0.025


def test_delta_distribution_to_1e_13():
    for d in np.concatenate([np.linspace(-40, 40, 801), np.linspace(-1, 1, 201)]).tolist():
        distribution, density = _hedging.normal_pair(d)
        with mp.workdps(30):
            assert abs(distribution - mp.ncdf(d)) < 1e-13
            assert abs(density - mp.npdf(d)) < 1e-13
