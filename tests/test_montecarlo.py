"""The compiled simulator against the slow reference, itself, and bad input."""

import math
import subprocess
import sys
import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

import gammacore
from gammacore import _core, _hedging
from gammacore.backtest.simulation.experiment import Experiment, engine_of
from gammacore.backtest.simulation.garch import Garch
from gammacore.backtest.simulation.innovations import standardised, student
from gammacore.backtest.simulation.models import GBM, Bootstrap, GivenPaths, Heston, Merton
from gammacore.backtest.simulation.montecarlo import COLUMNS, LINES, price_paths, simulate
from gammacore.backtest.simulation.option_book import Costs, OptionLeg, straddle, strangle
from gammacore.daycount import NS_PER_DAY, NS_PER_YEAR
from gammacore.errors import ConfigError
from gammacore.hedging import Band, FixedCost, Interval, Move, Never, WhalleyWilmott, Zakamouline
from support.reference.slow_hedging import Slow

MONTH = 30 / 365


def experiment(**changes):
    base = {
        "book": straddle(100.0, MONTH),
        "model": GBM(0.6),
        "policy": Band(0.05),
        "steps": 60,
        "implied": 0.6,
    }
    return Experiment(**(base | changes))


policies = st.one_of(
    st.builds(Band, st.floats(0.005, 0.3), st.booleans(), st.none() | st.floats(0.005, 0.3)),
    st.integers(1, 7).map(lambda k: ("every", k)),
    st.builds(Move, st.floats(0.5, 4.0), st.just("usd")),
    st.builds(Move, st.floats(0.005, 0.04), st.just("relative")),
    st.builds(Move, st.floats(0.2, 1.5), st.just("sigma"), st.integers(NS_PER_DAY // 4, 3 * NS_PER_DAY)),
    st.builds(WhalleyWilmott, st.floats(0.01, 3.0), st.floats(1e-4, 1e-2), st.booleans()),
    st.builds(Zakamouline, st.floats(0.01, 1.0), st.floats(1e-4, 1e-2)),
    st.builds(FixedCost, st.floats(0.01, 3.0), st.floats(1e-3, 0.1)),
    st.just(Never()),
)


@st.composite
def experiments(draw):
    steps = draw(st.integers(3, 40))
    horizon = draw(st.floats(0.01, 0.3))
    dt = horizon / steps
    leg = st.builds(
        OptionLeg,
        st.sampled_from(["call", "put"]),
        st.floats(70.0, 140.0),
        st.one_of(st.integers(1, steps).map(lambda k: k * dt), st.floats(1.05 * horizon, 0.5)),
        st.floats(-3.0, 3.0).filter(lambda x: abs(x) > 0.05),
        st.none() | st.floats(0.2, 1.2),
    )
    policy = draw(policies)
    if isinstance(policy, tuple):
        policy = Interval(round(policy[1] * dt * NS_PER_YEAR))
        if abs(policy.every_ns / NS_PER_YEAR / dt % 1 - 0.5) < 0.499999:
            policy = Interval(0)
    settlement = draw(st.sampled_from(["linear", "inverse"]))
    target = (
        draw(st.sampled_from(["black", "coin_neutral", "usd_neutral"])) if settlement == "inverse" else None
    )
    financed = draw(st.sampled_from(["coin", "usd", None])) if settlement == "inverse" else None
    return Experiment(
        book=tuple(draw(st.lists(leg, min_size=1, max_size=4))),
        model=GBM(draw(st.floats(0.2, 1.2)), draw(st.floats(-0.5, 0.5))),
        policy=policy,
        forward=draw(st.sampled_from([80.0, 100.0, 125.0])),
        implied=draw(st.floats(0.3, 1.0)),
        steps=steps,
        horizon=horizon,
        hedge_vol=draw(st.sampled_from(["implied", "actual", 0.5])),
        end_vol=draw(st.none() | st.floats(0.3, 1.0)),
        settlement=settlement,
        target=target,
        financed_in=financed,
        ratio=draw(st.sampled_from([1.0, 0.5, 1.2])),
        target_delta=draw(st.sampled_from([0.0, 0.3])),
        costs=Costs(
            proportional=draw(st.sampled_from([0.0, 5e-4])),
            fixed=draw(st.sampled_from([0.0, 0.001])),
            half_spread_bp=draw(st.sampled_from([0.0, 1.0])),
            option_fee=draw(st.sampled_from([0.0, 3e-4])),
            funding=draw(st.sampled_from([0.0, 0.1, -0.2])),
        ),
        hedge_at_start=draw(st.booleans()),
        liquidate=draw(st.booleans()),
    )


EXERCISED = OptionLeg("put", 122.72420241313046, 0.07948717948717948, 1.1165422593415766)
CANCELS = Experiment(  # delta and equity do, but for rounding
    book=(EXERCISED, EXERCISED, OptionLeg("put", 122.72420241313046, 0.07948717948717948, 0.407)),
    model=GBM(vol=0.2),
    policy=Move(0.5638917902083325, "sigma", 107_292_761_230_544),
    forward=80.0,
    implied=0.3,
    steps=39,
    horizon=0.1,
    hedge_vol="actual",
    settlement="inverse",
    target="usd_neutral",
    financed_in="coin",
    target_delta=0.3,
    costs=Costs(proportional=5e-4),
    hedge_at_start=False,
    liquidate=True,
)


@example(CANCELS, 999_999)
@settings(max_examples=60, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # shrinking takes minutes
@given(experiments(), st.integers(0, 2**32))
def test_any_book_policy_and_accounts_match_the_slow_reference(e, seed):
    paths = price_paths(e, paths=140, seed=seed)  # one whole block and a ragged one
    fast = simulate(e, paths=140, seed=seed, columns=COLUMNS)
    reference = Slow(e, paths)
    slow, sure = reference.run(), ~reference.unsure
    size = sum(abs(leg.amount) for leg in e.book)
    money = size if e.inverse else size * e.forward
    for name in COLUMNS:
        scale = {"trades": 1.0, "price": e.forward, "realised_variance": 1.0, "turnover": size}.get(
            name, money
        )
        scale = size**2 if name == "mean_square_mismatch" else scale
        scale = size * e.forward if name == "pnl_usd" else scale
        tolerance = 1e-10 * scale * (1.0 if name != "turnover" else e.steps)
        # Without a fee for each trade all else depends on amounts alone.
        of = sure if name == "trades" or e.costs.fixed else slice(None)
        assert fast[name][of] == pytest.approx(slow[name][of], rel=1e-10, abs=tolerance), name


@settings(max_examples=20)
@given(experiments(), st.integers(0, 2**32))
def test_lines_sum_to_the_profit(e, seed):
    run = simulate(e, paths=130, seed=seed, columns=LINES)
    total = sum(run[name] * (-1.0 if name in ("fees", "spread") else 1.0) for name in LINES)
    size = sum(abs(leg.amount) for leg in e.book) * (1.0 if e.inverse else e.forward)
    assert total == pytest.approx(run["pnl"], abs=1e-12 * size)


SKEWED = standardised(-(np.random.default_rng(4).exponential(size=3_000) ** 1.5))
MODELS = {
    "gbm": GBM(0.6, 0.1),
    "heston": Heston(0.36, 2.0, 0.36, 1.0, -0.5),
    "merton": Merton(0.5, 20.0, -0.02, 0.05),
    "garch": Garch(1e-6, 0.08, 0.9, 3e-5, MONTH / 60, gamma=0.02),
    "garch_t": Garch(1e-6, 0.08, 0.9, 3e-5, MONTH / 60, nu=4.0),
    "garch_recorded": Garch(1e-6, 0.1, 0.86, 3e-5, MONTH / 60, gamma=0.02, innovations=SKEWED),
    "bootstrap": Bootstrap(np.random.default_rng(5).normal(0.002, 0.01, 500), MONTH / 60),
    "circular": Bootstrap(np.random.default_rng(5).normal(0.002, 0.01, 500), MONTH / 60, 7, random=False),
}


@pytest.fixture
def restore_level():
    before = gammacore.simd_level()
    yield
    _core.use_level(before)


@pytest.mark.usefixtures("restore_level")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "policy", [Band(0.02, True), WhalleyWilmott(0.1, 5e-4), Zakamouline(0.1, 5e-4), Interval(0)]
)
def test_same_bits_whatever_level_threads_and_number_of_paths(name, policy):
    e = experiment(
        model=MODELS[name], policy=policy, hedge_vol=0.6, costs=Costs(proportional=5e-4, funding=0.1)
    )
    found = []
    for level in _core.supported_levels():
        _core.use_level(level)
        found.append(simulate(e, paths=700, seed=11, columns=COLUMNS))
        found.append(simulate(e, paths=700, seed=11, columns=COLUMNS, threads=3))
        found.append(simulate(e, paths=901, seed=11, columns=COLUMNS))
    for other in found[1:]:
        for column in COLUMNS:
            assert np.array_equal(found[0][column], other[column][:700]), column


@pytest.mark.parametrize("name", MODELS)
def test_given_paths_are_hedged_as_the_model_that_made_them(name):
    e = experiment(model=MODELS[name], hedge_vol=0.6)
    again = msgspec.structs.replace(e, model=GivenPaths(price_paths(e, paths=300, seed=3)))
    assert simulate(again)["pnl"] == pytest.approx(simulate(e, paths=300, seed=3)["pnl"], abs=1e-9)
    assert len(simulate(again, paths=200)) == 200


def test_seeds_differ_and_columns_are_those_asked_for():
    a, b = (simulate(experiment(), paths=100, seed=seed) for seed in (1, 2))
    assert set(a.columns) == {"pnl", "trades", "turnover"}
    assert not np.any(a["pnl"] == b["pnl"])
    with pytest.raises(KeyError, match="fees"):
        a["fees"]


# ---- models ----------------------------------------------------------------------


def returns_of(model, steps=60, paths=40_000, **changes):
    e = experiment(model=model, steps=steps, hedge_vol=0.6, **changes)
    return np.diff(np.log(price_paths(e, paths=paths, seed=17)), axis=1), e


def within(sample, expected, errors=4.5):
    assert abs(sample.mean() - expected) < errors * sample.std() / math.sqrt(len(sample))


@pytest.mark.parametrize("drift", [0.0, 0.8])
@pytest.mark.parametrize("name", MODELS)
def test_price_grows_by_its_drift(name, drift):
    moves, e = returns_of(msgspec.structs.replace(MODELS[name], drift=drift))
    growth = np.exp(np.cumsum(moves, axis=1))
    for step in (1, 20, 60):
        within(growth[:, step - 1], math.exp(drift * step * e.dt))
    assert growth[:, -1].std() / 200 < 0.15 * math.expm1(0.8 * e.years)  # so a drift ignored would show


def test_growth_of_wild_innovations_is_exact_at_one_step():
    """ln E exp(s z) against its sum, where s z reaches 20 and where it is small."""
    z = standardised(np.random.default_rng(0).standard_t(3, 5_000))
    for s in (0.003, 0.05, 0.31, 0.777):
        model = Garch(1e-6, 0.0, 0.0, s * s, MONTH / 60, innovations=z, cap=1.0)
        moves, _ = returns_of(model, paths=200)
        known = s * z - math.log(np.exp(s * z).mean())
        assert np.abs(moves[:, :1] - known).min(axis=1).max() < 1e-9


def test_no_step_exceeds_the_cap():
    model = Garch(1e-6, 0.5, 0.4, 1e-5, MONTH / 60, nu=3.0, cap=4e-5)
    moves, _ = returns_of(model, paths=100)
    h, largest = np.full(100, model.variance), np.zeros(100)
    z = student(3.0)
    for r in moves.T:
        e = r + np.log(np.exp(np.sqrt(h)[:, None] * z).mean(axis=1))
        assert np.abs(e).max() < np.abs(z).max() * math.sqrt(4e-5) * 1.000001
        h = np.minimum(model.omega + model.alpha * e**2 + model.beta * h, 4e-5)
        largest = np.maximum(largest, h)
    assert (largest == 4e-5).mean() > 0.2


@pytest.mark.parametrize("name", ["gbm", "heston", "merton"])
def test_mean_vol_is_that_of_the_paths(name):
    moves, e = returns_of(MODELS[name])
    variance = ((moves - moves.mean()) ** 2).sum(axis=1) / e.years
    within(variance, MODELS[name].mean_vol(e.years) ** 2)


def test_merton_jumps_have_their_moments():
    model = Merton(0.2, 50.0, -0.05, 0.1)
    moves, e = returns_of(model)
    rate = model.intensity * e.dt
    third = rate * (model.jump_mean**3 + 3 * model.jump_mean * model.jump_sd**2)
    fourth = (
        rate * (model.jump_mean**4 + 6 * model.jump_mean**2 * model.jump_sd**2 + 3 * model.jump_sd**4)
        + 3 * ((model.vol**2 + model.intensity * (model.jump_mean**2 + model.jump_sd**2)) * e.dt) ** 2
    )
    centred = (moves - moves.mean()).ravel()
    within(centred**3, third)
    within(centred**4, fourth)


def test_heston_correlation_and_variance():
    model = Heston(0.36, 3.0, 0.25, 0.5, -0.7)
    moves, e = returns_of(model, steps=240)
    late = (moves[:, -20:] ** 2).sum(axis=1) / (20 * e.dt)
    at = e.years - 10 * e.dt
    within(late, model.theta + (model.v0 - model.theta) * math.exp(-model.kappa * at))
    early = moves[:, :120].sum(axis=1)
    assert np.corrcoef(early, (moves[:, 120:] ** 2).sum(axis=1))[0, 1] < -0.05


def test_garch_is_the_recursion():
    model = MODELS["garch"]
    moves, _ = returns_of(model, paths=200)
    h, z = np.full(200, model.variance), []
    for r in moves.T:
        e = r + 0.5 * h
        z.append(e / np.sqrt(h))
        h = model.omega + (model.alpha + model.gamma * (e < 0)) * e**2 + model.beta * h
    # its innovations are the ones that drive GBM
    gbm = returns_of(GBM(1.0), paths=200)
    plain = (gbm[0] + 0.5 * gbm[1].dt) / math.sqrt(gbm[1].dt)
    assert np.abs(np.array(z).T - plain).max() < 1e-9


def test_student_innovations_have_unit_variance_and_their_tails():
    moves, _ = returns_of(Garch(1e-4, 0.0, 0.0, 1e-4, MONTH / 60, nu=6.0))
    z = moves.ravel() / 0.01
    z -= z.mean()  # of the drift alone
    within(z**2, 1.0)
    stats = pytest.importorskip("scipy.stats")
    scale = math.sqrt(6 / 4)
    assert stats.kstest(z[:200_000] * scale, "t", args=(6,)).pvalue > 1e-3


@pytest.mark.parametrize("random", [True, False])
def test_bootstrap_draws_blocks_of_the_returns(random):
    returns = 1e-3 * np.arange(1, 51)  # told apart
    model = Bootstrap(returns, MONTH / 60, 5, random=random)
    moves, e = returns_of(model, paths=4000)
    drawn = np.rint((moves - model.for_core(e.dt)["shift"](60)) / 1e-3).astype(int)
    assert set(np.unique(drawn)) == set(range(1, 51))
    follows = (drawn[:, 1:] - drawn[:, :-1]) % 50 == 1
    if random:  # a new block starts anywhere, so one in fifty follows on by chance
        within(follows.ravel().astype(float), 0.8 + 0.2 / 50)
    else:
        assert np.delete(follows, np.arange(4, 59, 5), axis=1).all()
        within(follows[:, 4::5].ravel().astype(float), 1 / 50)
    assert np.abs(np.bincount(drawn.ravel())[1:] / drawn.size - 0.02).max() < 0.002


# ---- bad input -------------------------------------------------------------------

BAD = [
    ({"book": ()}, "book"),
    ({"book": straddle(-1.0, MONTH)}, r"book\[0\].strike.*-1"),
    ({"book": straddle(100.0, math.nan)}, r"book\[0\].expiry.*nan"),
    ({"book": (OptionLeg("call", 100.0, MONTH), OptionLeg("put", 100.0, MONTH / 61))}, r"book\[1\].expiry"),
    ({"book": (OptionLeg("fall", 100.0, MONTH),)}, r"book\[0\].kind.*fall"),
    ({"book": straddle(100.0, MONTH, 0.0)}, "book: .*amount"),
    ({"forward": 0.0}, "forward"),
    ({"implied": -0.5}, "implied.*-0.5"),
    ({"steps": 0}, "steps.*0"),
    ({"steps": 1.5}, "steps.*1.5"),
    ({"horizon": -1.0}, "horizon"),
    ({"hedge_vol": "market"}, "hedge_vol.*market"),
    ({"ratio": 1.6}, "ratio.*1.6"),
    ({"settlement": "coin"}, "settlement.*coin"),
    ({"target": "usd_neutral"}, "target.*usd_neutral"),
    ({"financed_in": "coin"}, "financed_in"),
    ({"policy": Interval(NS_PER_DAY // 7)}, "policy.every_ns"),
    ({"policy": Interval(0, snapshots_only=True)}, "policy.snapshots_only"),
    ({"policy": "band"}, "policy.*band"),
    ({"model": GivenPaths(np.full((2, 5), 100.0))}, "model.prices.*61 columns"),
    ({"model": GivenPaths(np.full((2, 61), 99.0))}, "model.prices.*forward"),
    ({"model": MODELS["garch"], "steps": 30}, "steps.*model moves"),
    ({"model": Merton(0.5, 1e6)}, "model.intensity.*too many"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message for _, message in BAD])
def test_an_impossible_experiment_is_refused_by_the_name_of_its_field(changes, message):
    with pytest.raises(ConfigError, match=message):
        experiment(**changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GBM(-0.1), "model.vol.*-0.1"),
        (lambda: Heston(0.3, 1.0, 0.3, 0.5, rho=-1.2), "model.rho.*-1.2"),
        (lambda: Garch(1e-6, 0.5, 0.6, 1e-5, 0.01), "model.beta.*1.1"),
        (lambda: Garch(1e-6, 0.1, 0.8996, 1e-5, 0.01), "model.beta.*0.9996"),
        (lambda: Garch(1e-6, 0.1, 0.6, 1e-5, 0.01, cap=9e-6), "model.cap.*9e-06"),
        (lambda: Garch(1e-6, 0.1, 0.6, 1e-5, 0.01, drift=math.inf), "model.drift.*inf"),
        (lambda: Garch(1e-6, 0.1, 0.6, 1e-5, 0.01, innovations=[0.0, 2.0]), "model.innovations.*mean 0"),
        (lambda: Garch(1e-6, 0.1, 0.6, 1e-5, 0.01, innovations=[1.0, -1.0], nu=4.0), "got both"),
        (lambda: Garch(1e-6, 0.1, 0.6, 1e-5, 0.01, nu=2.0), "model.nu"),
        (lambda: Bootstrap([0.1], 0.01), "model.returns"),
        (lambda: Bootstrap([0.1, math.nan], 0.01), "model.returns"),
        (lambda: Bootstrap([0.1] * 9, 0.01, 2.5, random=False), "model.block.*2.5"),
        (lambda: GivenPaths(np.zeros((2, 3))), "model.prices"),
        (lambda: Costs(option_fee=-1.0), "costs.option_fee.*-1"),
        (lambda: Band(0.0), "half_width.*0.0"),
        (lambda: Move(-1.0), "threshold"),
        (lambda: FixedCost(0.0, 1.0), "risk_aversion"),
        (lambda: simulate(experiment(), paths=0), "paths.*0"),
        (lambda: simulate(experiment(), seed=-1), "seed.*-1"),
        (lambda: simulate(experiment(), threads=0), "threads"),
        (lambda: simulate(experiment(), columns=("profit",)), "columns.*profit"),
        (lambda: simulate(experiment(), paths=10).expected_shortfall(0.0), "level"),
        (lambda: experiment(model=GivenPaths(np.full((2, 61), 100.0)), hedge_vol="actual"), "hedge_vol"),
        (lambda: simulate(experiment(model=GivenPaths(np.full((2, 61), 100.0))), paths=3), "paths.*2 given"),
    ],
)
def test_wrong_parameters_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_core_refuses_arrays_it_cannot_write():
    from gammacore.backtest.simulation.experiment import engine_of

    engine = engine_of(experiment(), 0)
    for bad in (np.empty(5), np.empty(200, dtype=np.float32), np.empty(400)[::2]):
        with pytest.raises(ValueError, match="contiguous"):
            engine.run(0, 0, 200, {"pnl": bad})


# ---- the run ---------------------------------------------------------------------


def test_statistics():
    run = simulate(experiment(), paths=5000, columns=("fees", "spread"))
    pnl = np.sort(run["pnl"])
    assert run.mean() == pytest.approx(pnl.mean())
    assert run.standard_error() == pytest.approx(pnl.std(ddof=1) / math.sqrt(5000))
    assert run.quantiles([0.05]) == pytest.approx(np.quantile(pnl, 0.05))
    assert run.expected_shortfall(0.05) == pytest.approx(pnl[:250].mean())
    assert np.array_equal(run.cost, run["fees"] + run["spread"])


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_and_interruption(threads):
    e = experiment(steps=100_000, policy=Never())
    seen = []

    def progress(done, total):
        seen.append((done, total))
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(e, paths=1000, threads=threads, progress=progress)
    assert seen == [(128, 1000), (256, 1000)]


def test_memory_of_a_million_paths_is_its_output():
    # tracemalloc sees numpy's arrays and the core has no other heap: its blocks are on the stack.
    extra = []
    for steps in (2, 20):
        tracemalloc.start()
        run = simulate(experiment(steps=steps, policy=Never()), paths=1_000_000)
        extra.append(tracemalloc.get_traced_memory()[1] - 3 * 8 * len(run))
        tracemalloc.stop()
    assert max(extra) < 1e6
    assert abs(extra[1] - extra[0]) < 1e5


def test_first_result_comes_quickly_and_without_heavy_imports():
    code = (
        "import sys, time; start = time.perf_counter()\n"
        "from gammacore.backtest.simulation.montecarlo import Experiment, simulate, straddle\n"
        "from gammacore.backtest.simulation.models import GBM\n"
        "from gammacore.hedging import Band\n"
        "simulate(Experiment(book=straddle(100.0, 30/365), model=GBM(0.6), policy=Band(0.05)), paths=1000)\n"
        "print(time.perf_counter() - start)\n"
        "assert not {'scipy', 'pandas', 'arch', 'plotly'} & set(sys.modules)"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 1.0


def test_merging_by_parity_changes_nothing():
    # 2 calls and 1 put of one strike are one option in the core and three in the reference.
    book = (
        OptionLeg("call", 105.0, MONTH, 2.0),
        OptionLeg("put", 105.0, MONTH, -1.0),
        *strangle(90.0, 110.0, MONTH / 2),
    )
    e = experiment(book=book)
    slow = Slow(e, price_paths(e, paths=130)).run()
    assert simulate(e, paths=130)["pnl"] == pytest.approx(slow["pnl"], abs=1e-9)


def test_fixed_columns_of_the_core():
    assert set(LINES) < set(COLUMNS)
    assert len(COLUMNS) == len(set(COLUMNS)) == 17
    assert _hedging.MAX_JUMPS == 64


# ---------------------------------------------------------------- delivery at an average
def averaged(**changes):
    """A straddle of the last two hours, each minute hedged; its implied volatility says the true variance."""
    life, window = 120 / (60 * 24 * 365), 30 / (60 * 24 * 365)
    base = {
        "book": straddle(100.0, life),
        "model": GBM(0.6),
        "policy": Interval(0),
        "implied": 0.6 * math.sqrt((life - 2 * window / 3) / life),
        "steps": 120,
        "window": window,
    }
    return Experiment(**(base | changes))


@pytest.mark.parametrize("settlement", ["linear", "inverse"])
def test_an_average_is_delivered_and_its_price_is_fair(settlement):
    e = averaged(settlement=settlement)
    paths = price_paths(e, paths=20_000, seed=5)
    delivered = np.trapezoid(paths[:, -31:], axis=1) / 30
    payoff = np.abs(delivered - 100.0) / (delivered if settlement == "inverse" else 1.0)
    idle = simulate(msgspec.structs.replace(e, policy=Never(), hedge_at_start=False), paths=20_000, seed=5)
    np.testing.assert_allclose(idle["pnl"], payoff - e.premium, atol=1e-12 * e.premium + 1e-13)
    hedged = simulate(e, paths=20_000, seed=5)
    assert abs(hedged.mean()) < 4 * hedged.standard_error() + 2e-4 * e.premium
    plain = simulate(msgspec.structs.replace(e, window=0.0, implied=0.6), paths=20_000, seed=5)
    assert hedged.sd() < plain.sd()


def test_lines_of_an_averaged_option_explain_it():
    columns = ("options", "delta", "gamma", "theta", "vega", "higher_order")
    run = simulate(averaged(settlement="inverse"), paths=2_000, seed=6, columns=columns)
    total = sum(run[name] for name in columns[1:])
    np.testing.assert_allclose(run["options"], total, atol=1e-15)
    assert np.abs(run["higher_order"]).mean() < 0.03 * np.abs(run["gamma"]).mean()


@pytest.mark.parametrize("level", range(len(_core.LEVELS)))
def test_every_processor_averages_alike(level):
    e = averaged(policy=WhalleyWilmott(0.5, 5e-4), costs=Costs(proportional=5e-4))
    engine, found = engine_of(e, 3), {name: np.empty(200) for name in ("pnl", "trades")}
    if level > _core.LEVELS.index(_core.simd_level()):
        pytest.skip("not on this processor")
    engine.run(level, 0, 200, found)
    np.testing.assert_array_equal(found["pnl"], simulate(e, paths=200, seed=3)["pnl"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"window": -1.0}, "window"),
        ({"window": 1e-9}, "window: expected 0 or a step"),
        ({"window": 1.5 * 120 / (60 * 24 * 365)}, "window: expected start, expiries and horizon"),
    ],
)
def test_windows_that_cannot_be_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        averaged(**changes)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: GBM(60), "model.vol"),
        (lambda: Merton(60, 1.0), "model.vol"),
        (lambda: Heston(3600.0, 1.0, 0.36, 1.0), "root of model.v0"),
        (lambda: experiment(implied=60.0), "implied"),
        (lambda: experiment(hedge_vol=60.0), "hedge_vol"),
        (lambda: experiment(book=(OptionLeg("call", 100.0, MONTH, implied=60.0),)), r"book\[0\].implied"),
    ],
)
def test_percentages_are_refused(make, name):
    with pytest.raises(ConfigError, match=f"^{name}: expected at most 5, got 60.*fractions are meant: 0.6"):
        make()
