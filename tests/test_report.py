"""The report: its figures are the summary's, it needs nothing but itself, and no text becomes markup."""

import base64
import copy
import json
import re
import time
from html.parser import HTMLParser

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.report import write_report
from gammacore.backtest.report.thinning import thin
from gammacore.config import Config, parse_config
from gammacore.config.own_names import HedgeRuleName
from support.browser import browser

MARKET = {"days": 24, "snapshot_hours": 12}
RUN = {
    "market": MARKET,
    "entry": {"structure": "straddle", "side": "long"},
    "hedge": {"instrument": "perpetual", "rule": "band", "band": 0.05, "to": "centre"},
    "costs": {"fill": "cross", "option_fees": True},
}
WRITTEN = {"usd": 0.005, "coin": 5e-9}  # half of the last digit that the report writes
SECTIONS = (
    "headline",
    "pnl",
    "attribution",
    "price",
    "volatility",
    "scalps",
    "episodes",
    "replay",
    "data",
    "quality",
    "configuration",
)
CHARTS = (
    "pnl",
    "bars",
    "lines",
    "costs",
    "price",
    "deltas",
    "greeks",
    "book",
    "margin",
    "volatility",
    "returns",
    "cone",
)


class Page(HTMLParser):
    """What a browser would see: text, ids, links and scripts."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.tags, self.words, self.scripts = set(), [], [], [], {}
        self._open = None
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.ids.add(found.get("id"))
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self._open = (tag, found.get("id") or f"unnamed {len(self.tags)}")

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open and self._open[0] == "script":
            self.scripts[self._open[1]] = self.scripts.get(self._open[1], "") + data
        elif not (self._open and self._open[0] == "style"):
            self.words.append(data)

    def figure(self, name):
        return json.loads(self.scripts[f"json-{name}"], parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def results():
    return run_backtest(parse_config(RUN))


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(results, path)
    return path


@pytest.fixture(scope="module")
def page(written):
    return Page(written.read_text(encoding="utf-8"))


@pytest.fixture
def report(tmp_path):
    """Page of other results."""

    def write(results):
        write_report(results, tmp_path / "report.html")
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return write


def replaced(results, **changes):
    """Results with other tables, or with some keys of the summary changed."""
    summary = copy.deepcopy(results.summary) | changes.pop("summary", {})
    return msgspec.structs.replace(results, summary=summary, **changes)


def trace(figure, name, unit=None):
    (found,) = [t for t in figure["data"] if t.get("name") == name and t.get("meta") == unit]
    return found


def as_drawn(value, unit, series):
    """The value as a chart has it: to the digits that are written, or seven of the largest of its series."""
    return pytest.approx(value, rel=0, abs=max(WRITTEN[unit], 0.5e-6 * np.abs(series).max()))


def test_every_section_is_there(page):
    assert set(SECTIONS) <= page.ids
    assert {f"chart-{name}" for name in CHARTS} <= page.ids


def test_headline_shows_the_figures_of_the_summary(results, page):
    s = results.summary
    assert f"{s['total']['usd']:+,.2f} USD" in page.text
    assert f"{s['total']['coin']:+.6f} BTC" in page.text
    assert f"{s['premium']['usd']:,.2f} USD" in page.text
    assert f"{s['fees']['usd']:,.2f} USD" in page.text
    assert f"{s['funding']['usd']:+,.2f} USD" in page.text
    assert f"{s['mean_pnl_over_premium']:+.2%}" in page.text
    assert f"std {s['std_pnl_over_premium']:.2%}" in page.text
    assert f"{s['mean_iv_entry']:.1%} → {s['mean_rv']:.1%}" in page.text
    assert f"Hedges {s['n_hedges']:,}" in page.text
    assert f"Episodes {s['n_episodes']}" in page.text
    assert f"Orders not filled {s['quotes_missing']} no quote, beyond the collar" in page.text


def test_what_was_run_is_said_in_words(page):
    assert "BTC straddles, long 2025-01-02 to 2025-01-26 (UTC)" in page.text
    assert "The perpetual, whenever off by more than 0.05 coin, back to the centre of the band" in page.text
    assert (
        "Options at the crossed spread; option fees by the dated schedule; hedges: rest for 3s, then take"
        in page.text
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hedge": {"rule": "never"}}, "Hedge None"),
        ({"hedge": {"rule": "interval", "every": "6h", "instrument": "future"}}, "same expiry, every 6h"),
        (
            {"entry": {"structure": "strangle", "side": "short", "delta": 0.25}},
            "Short strangles of 0.25 delta",
        ),
        ({"exit": {"hours_before_expiry": 6}}, "Closed 6 hours before expiry"),
        (
            {
                "exit": {"rules": {"take_profit": 0.5, "rv_pace": {"after": "2d", "below": 0.8}}},
                "roll": {"when": {"moneyness": 1.5}, "into": {"min_days": 3}},
                "signal": {"when": {"time_of_week": ["mon"]}},
            },
            "Held to delivery at the 30-minute average; closed earlier by any of: take_profit 0.5, "
            "rv_pace below 0.8 after 2d; rolled by any of: moneyness 1.5, into min_days 3",
        ),
        ({"signal": {"when": {"time_of_week": ["mon"]}}}, "only where signal.when allows it (time_of_week)"),
        (
            {"costs": {"hedge_taker_fee": 0.0005, "hedge_half_spread_bp": 0.1, "funding": False}},
            "hedges: rest for 3s, then take, taker fee 5 bp, half spread 0.1 bp; no funding",
        ),
        (
            {"size": {"premium_usd": 5000}, "limits": {"max_open_episodes": 2}},
            "5,000 USD of premium; at most 2 open",
        ),
        ({"entry": {"weekday": "monday"}}, "on a Monday"),
        ({"execution": {"hedges": "taker"}}, "hedges: take at once, half spread 0.1 bp"),
        (
            {"costs": {"hedge_half_spread_bp": [0.1] * 23 + [0.4]}, "execution": {"hedges": "maker"}},
            "hedges: always filled at rest (a bound), half spread 0.1 to 0.4 bp by the hour",
        ),
    ],
)
def test_other_runs_in_words(results, report, settings, words):
    assert words in report(replaced(results, config=parse_config(settings))).text


def test_why_episodes_closed_is_counted(results, report):
    counts = results.episodes["close_reason"].value_counts()
    assert results.summary["closed_by"] == counts.to_dict()
    other = replaced(results, summary={"closed_by": {"take_profit": 5, "delivery": 3}})
    assert "Why they closed take_profit 5, delivery 3" in report(other).text
    assert "Why they closed" not in report(replaced(results, summary={"closed_by": {}})).text


def test_attribution_table_and_bars_are_the_summary(results, page):
    for unit, form in (("usd", "+,.2f"), ("coin", "+,.8f")):
        bars = trace(page.figure("bars"), None, unit)
        shown = dict(zip(bars["y"], bars["x"], strict=True))
        for line, money in results.summary["attribution"].items():
            value = money[unit]
            text = format(value, form)
            assert (text if re.search("[1-9]", text) else text.lstrip("+-")) in page.text
            assert shown.get(line.replace("_", " "), 0.0) == as_drawn(value, unit, bars["x"])
        assert shown["total"] == as_drawn(results.summary["total"][unit], unit, bars["x"])
        assert bars["measure"][-1] == "total"


def test_curve_ends_at_the_total_and_drawdown_is_never_positive(results, page):
    pnl = page.figure("pnl")
    for unit in ("usd", "coin"):
        curve = results.profit[f"pnl_{unit}"]
        assert trace(pnl, "P&L", unit)["y"][-1] == as_drawn(curve.iloc[-1], unit, curve)
        assert max(trace(pnl, "Drawdown", unit)["y"]) <= 0
    assert pnl["layout"]["meta"]["coin"]["yaxis.title.text"] == "P&L, BTC"


def test_cards_of_return_and_risk(results, page, report):
    s = results.summary
    assert f"Return on premium {s['return_on_premium']:+.2%}" in page.text
    assert (
        f"Return on margin {s['return_on_margin']:+.2%} most tied up: {s['peak_capital']:,.6f} BTC"
        in page.text
    )
    assert f"Sharpe ratio {s['sharpe']:+.2f}" in page.text
    assert f"Hit rate {s['hit_rate']:.0%}" in page.text
    assert "Capture ratio – gamma + theta did not favour the bet" in page.text
    kept = report(replaced(results, summary={"capture_ratio": 0.5})).text
    assert "Capture ratio +0.50 of gamma + theta kept after costs" in kept
    assert f"Largest drawdown {s['max_drawdown']['usd']:,.2f} USD" in page.text
    other = {"sharpe": None, "return_on_margin": None, "unexplained_share": 0.0123, "hit_rate": 1.0}
    text = report(replaced(results, summary=other)).text
    for words in ("Sharpe ratio –", "Return on margin –", "Unexplained 1.23%", "Hit rate 100%"):
        assert words in text


def test_hedges_and_options_are_marked(results, page):
    fills, price = results.fills, page.figure("price")
    hedges = fills[fills["kind"] == "hedge"]
    bought, sold = trace(price, "hedge bought"), trace(price, "hedge sold")
    assert bought["marker"]["symbol"] == "triangle-up"
    assert sold["marker"]["symbol"] == "triangle-down"
    assert len(bought["x"]) == (hedges["amount"] > 0).sum()
    assert len(sold["x"]) == (hedges["amount"] < 0).sum()
    first = hedges[hedges["amount"] > 0].iloc[0]
    assert bought["x"][0] == first["ts_ns"] // 10**6
    assert bought["y"][0] == first["price"]
    assert bought["customdata"][0] == pytest.approx([first["amount"], first["fee"]], rel=1e-6, abs=1e-8)
    assert len(trace(price, "options in")["x"]) == len(results.episodes)
    delivered = results.episodes[results.episodes["close_reason"] == "delivery"]
    assert trace(price, "delivery")["y"] == pytest.approx(delivered["delivery_price_usd"], abs=0.01)
    stamps = pd.to_datetime(trace(price, "delivery")["x"], unit="ms").strftime("%Y-%m-%dT%H:%M")
    assert list(stamps) == [text[:16] for text in delivered["closed"]]


def test_episode_charts_and_table(results, page):
    points = page.figure("volatility")["data"][1]
    assert points["x"] == pytest.approx(100 * results.episodes["iv_entry"], abs=0.01)
    assert points["y"] == pytest.approx(100 * results.episodes["rv"], abs=0.01)
    bars = page.figure("returns")["data"][0]
    assert bars["y"] == pytest.approx(100 * results.episodes["pnl_over_premium"], abs=0.01)
    replays = len(results.episodes) + 2  # each, and the two ways to the next hedge
    assert page.tags.count("button") == 24 - 3 + 11 + replays
    assert "Equal in all episodes: Side = long; Size, BTC a leg = 1; Sized by = contracts." in page.text
    for value in results.episodes["pnl_usd"]:
        assert f"{value:+,.2f}" in page.text


def test_what_episodes_do_not_have_in_common_is_a_column(results, report):
    sides = ["short", *results.episodes["side"].iloc[1:]]
    page = report(replaced(results, episodes=results.episodes.assign(side=sides, close_reason="delivery")))
    assert (
        "Equal in all episodes: Closed by = delivery; Size, BTC a leg = 1; Sized by = contracts." in page.text
    )
    assert "short" in page.text.partition("Delivered at, USD")[2].partition("Replay")[0]


def test_nothing_is_loaded_from_anywhere(written, page):
    assert page.links
    assert all(link.startswith("#") for link in page.links)
    assert not {"link", "img", "iframe", "base", "object"} & set(page.tags)
    ours = written.read_text(encoding="utf-8").replace(max(page.scripts.values(), key=len), "")
    assert "://" not in ours
    assert "@import" not in ours
    assert "url(" not in ours
    assert "default-src 'none'" in ours


def test_banner_only_for_simulated_data(results, page, report):
    assert "simulated" in page.ids
    assert "Simulated market: says nothing about real profit" in page.text
    recorded = report(replaced(results, summary={"simulated_data": False}))
    assert "simulated" not in recorded.ids
    assert "Simulated" not in recorded.text


def test_notes_say_what_cannot_be_believed(results, report):
    config = parse_config(
        {
            "marks": {"source": "flat", "interpolate": True},
            "hedge": {"instrument": "forward", "target": "black"},
        }
    )
    data = results.summary["data"] | {"interpolated": True}
    changes = {"data": data, "n_episodes_skipped": 1, "n_episodes_open": 2}
    text = report(replaced(results, config=config, summary=changes)).text
    for words in (
        "looks ahead",
        "no recorded option price",
        "nobody lists it",
        "1 episode left out",
        "2 episodes still",
    ):
        assert words in text


def test_no_episodes(report):
    empty = run_backtest(
        parse_config({"market": {"days": 10, "snapshot_hours": 24}, "entry": {"weekday": "sunday"}})
    )
    assert empty.summary["n_episodes"] == 0
    page = report(empty)
    assert "no-episodes" in page.ids
    assert set(SECTIONS) <= page.ids
    assert "P&L over premium, mean –" in page.text
    assert "nan" not in page.text.lower().split()


def test_one_episode(results, report):
    one = results.episodes.head(1)
    page = report(replaced(results, episodes=one, summary={"n_episodes": 1, "std_pnl_over_premium": None}))
    assert "std – across episodes" in page.text
    assert len(page.figure("volatility")["data"][1]["x"]) == 1
    assert page.figure("returns")["layout"]["xaxis"]["dtick"] == 1


def test_missing_figures_are_dashes(results, report):
    keys = (
        "mean_pnl_over_premium",
        "std_pnl_over_premium",
        "mean_iv_entry",
        "mean_rv",
        "corr_pnl_rv_over_iv",
    )
    columns = ["rv", "rv_over_iv_less_1", "pnl_over_premium", "delivery_price_usd"]
    episodes = results.episodes.assign(**dict.fromkeys(columns, np.nan))
    profit = results.profit.assign(pnl_usd=np.nan)
    page = report(replaced(results, episodes=episodes, profit=profit, summary=dict.fromkeys(keys)))
    assert "– → –" in page.text
    assert "nan" not in page.text.lower().split()
    assert page.figure("volatility")["data"][1]["x"] == []
    assert set(page.figure("returns")["data"][0]["y"]) == {None}
    assert set(trace(page.figure("pnl"), "P&L", "usd")["y"]) == {None}


def test_no_hedges_and_no_funding(results, report):
    fills = results.fills[results.fills["kind"] == "option"]
    profit = results.profit.assign(funding_coin=0.0, funding_usd=0.0)
    page = report(replaced(results, fills=fills, profit=profit))
    assert not [t for t in page.figure("price")["data"] if t["name"].startswith("hedge")]
    assert not [t for t in page.figure("lines")["data"] if t["name"] == "funding"]


@pytest.mark.parametrize(("price", "decimals"), [(150.0, 2), (9.5, 4), (0.105, 6), (0.00002, 9)])
def test_prices_of_a_coin_of_any_price_keep_their_digits(results, report, price, decimals):
    scale = price / results.profit["index_usd"].iloc[0]
    profit = results.profit.assign(index_usd=scale * results.profit["index_usd"])
    fills = results.fills.assign(price=scale * results.fills["price"])
    episodes = results.episodes.assign(delivery_price_usd=scale * results.episodes["delivery_price_usd"])
    scalps = results.scalps.assign(open_price=scale * results.scalps["open_price"])
    page = report(replaced(results, profit=profit, fills=fills, episodes=episodes, scalps=scalps))
    figure = page.figure("price")
    for name, least in (("index", 0.5), ("hedge bought", 0.5), ("hedge sold", 0.5)):
        drawn = trace(figure, name)
        known = [y for y in drawn["y"] if y is not None]
        assert len(set(known)) > least * min(len(known), 900)
        assert f",.{decimals}f}} USD" in drawn["hovertemplate"]
    lowest = profit["index_usd"].min()
    assert min(trace(figure, "index")["y"]) == pytest.approx(lowest, rel=1e-4)
    delivered = episodes["delivery_price_usd"].dropna().iloc[0]
    assert f"delivered at {delivered:,.{decimals}f} USD" in trace(figure, "delivery")["text"][0]
    assert f"{delivered:,.{decimals}f}" in page.text
    assert f"{scalps['open_price'].iloc[0]:,.{decimals}f}" in page.text
    assert json.loads(page.scripts["json-replay"])["price_decimals"] == decimals


def test_large_amounts_are_written_out(report):
    size = {"size": {"contracts": 2e6}, "hedge": {**RUN["hedge"], "band": 1e5}}
    page = report(run_backtest(parse_config({**RUN, **size})))
    assert "2,000,000 coin a leg" in page.text
    assert "off by more than 100,000 coin" in page.text
    assert "Size, BTC a leg = 2,000,000;" in page.text
    replay = json.loads(page.scripts["json-replay"])
    assert replay["episodes"][0]["title"].startswith("long 2,000,000 × ")
    (bars,) = [t for t in page.figure("bars")["data"] if t["meta"] == "usd"]
    assert max(map(len, bars["text"])) <= len("-17.33 bn")  # or they lie on the names of the lines
    entered = trace(page.figure("price"), "options in")["text"][0]
    assert "+2,000,000 at" in entered


def test_a_small_book_is_drawn_to_its_own_digits(report):
    size = {"size": {"contracts": 0.001}, "hedge": {**RUN["hedge"], "band": 1e-4, "lots": False}}
    page = report(run_backtest(parse_config({**RUN, **size})))
    gamma = [t for t in page.figure("book")["data"] if t.get("yaxis") == "y2"]
    assert len({y for t in gamma for y in t["y"] if y}) > 20
    assert all(",.6~f" in t["hovertemplate"] for t in page.figure("deltas")["data"])


def test_linear_accounts_have_fees_in_usd(report):
    market = MARKET | {"spot": 3000.0}
    linear = run_backtest(
        parse_config(
            {
                "currency": "ETH",
                "market": market,
                "marks": {"settlement": "linear"},
                "hedge": {"target": "black"},
                "costs": {"fill": "mark", "funding": False},
            }
        )
    )
    assert linear.summary["accounting_currency"] == "USD"
    page = report(linear)
    hover = trace(page.figure("price"), "hedge bought")["hovertemplate"]
    assert "customdata[0]:+,.6~f} ETH at" in hover
    assert "customdata[1]:,.8~f} USD" in hover
    assert "P&L, ETH" in page.text


def test_prices_of_a_coin_of_cents_have_five_digits(results, report):
    cents = results.profit["index_usd"].min() / 0.12345
    scalps = results.scalps.assign(
        open_price=results.scalps["open_price"] / cents, close_price=results.scalps["close_price"] / cents
    )
    episodes = results.episodes.assign(delivery_price_usd=results.episodes["delivery_price_usd"] / cents)
    profit = results.profit.assign(index_usd=results.profit["index_usd"] / cents)
    page = report(replaced(results, scalps=scalps, episodes=episodes, profit=profit))
    largest = scalps["pnl_usd"].abs().idxmax()
    for price in (
        *scalps.loc[largest, ["open_price", "close_price"]],
        episodes["delivery_price_usd"].iloc[0],
    ):
        assert f"{price:.5f}" in page.text
    assert f"delivered at {episodes['delivery_price_usd'].iloc[0]:.5f} USD" in str(page.figure("price"))
    assert "%{y:,.5f} USD" in trace(page.figure("price"), "index")["hovertemplate"]


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\u2028'\""


def test_text_never_becomes_markup(results, report):
    config = parse_config({"data": {"chains": HOSTILE, "columns": {HOSTILE: HOSTILE}}})
    found = {"file": HOSTILE, "sha256": HOSTILE, "rows": 1}
    data = results.summary["data"] | {"marks": HOSTILE, "source": HOSTILE, "start": HOSTILE}
    data["chains"] = {"snapshots": 1, "files": [found]}
    episodes = results.episodes.assign(
        close_reason=HOSTILE, instruments=HOSTILE, strikes=HOSTILE, side=HOSTILE
    )
    fills = results.fills.assign(instrument=HOSTILE)
    plain = report(results)
    page = report(
        replaced(
            results,
            config=config,
            episodes=episodes,
            fills=fills,
            summary={"data": data, "gammacore": HOSTILE},
        )
    )
    assert page.tags.count("script") == plain.tags.count("script")
    assert "img" not in page.tags
    assert "alert(1)" in page.text
    assert page.figure("price")["data"][1]["text"] == HOSTILE


def many_fills(results, count):
    """As many hedges as asked for, in the span of the run."""
    rng = np.random.default_rng(3)
    ts = results.profit["ts_ns"].to_numpy()
    times = np.sort(rng.integers(ts[0], ts[-1], count))
    price = 60_000 + np.cumsum(rng.standard_normal(count))
    columns = {"purpose": "hedge", "instrument": "BTC-PERPETUAL", "kind": "hedge", "time": "", "episode": 0}
    amounts = {
        "amount": rng.choice([-10.0, 20.0], count),
        "fee": 1e-7,
        "delta_before": 0.1,
        "delta_after": 0.0,
    }
    return pd.DataFrame({"ts_ns": times, "price": price, "mark": price, **amounts, **columns})


def test_many_fills_are_thinned_and_said_so(results, report):
    fills = many_fills(results, 500_000)
    page = report(replaced(results, fills=fills))
    drawn = [t for t in page.figure("price")["data"] if t["name"].startswith("hedge")]
    shown = sum(len(t["x"]) for t in drawn)
    assert shown <= 5_000
    assert f"{shown:,} of 500,000 hedge fills are drawn" in page.text
    assert max(max(t["y"]) for t in drawn) == pytest.approx(fills["price"].max(), abs=0.01)
    assert min(min(t["y"]) for t in drawn) == pytest.approx(fills["price"].min(), abs=0.01)


def test_long_runs_stay_small_and_quick(results, tmp_path):
    ts = np.arange(500_000, dtype=np.int64) * 60 * 10**9 + results.profit["ts_ns"].iloc[0]
    rng = np.random.default_rng(1)
    names = [name for name in results.profit.columns if name not in ("time", "ts_ns")]
    curves = {name: rng.standard_normal(len(ts)).cumsum() for name in names}
    long = replaced(results, profit=pd.DataFrame({"ts_ns": ts, **curves}), fills=many_fills(results, 10_000))
    path, started = tmp_path / "report.html", time.perf_counter()
    write_report(long, path)
    assert time.perf_counter() - started < 6  # two on a quiet machine
    page = Page(path.read_text(encoding="utf-8"))
    library = max(page.scripts.values(), key=len)
    assert path.stat().st_size - len(library.encode()) < 2_500_000
    assert all(len(t["x"]) <= 5_000 for name in ("pnl", "lines", "price") for t in page.figure(name)["data"])


def test_many_episodes_are_cut_off_with_a_note(results, report):
    count = 1_200
    episodes = results.episodes.iloc[np.arange(count) % len(results.episodes)].assign(
        episode=np.arange(count)
    )
    page = report(replaced(results, episodes=episodes, summary={"n_episodes": count}))
    assert "The first 1,000 of 1,200; all are in episodes.csv." in page.text


def test_a_run_with_all_defaults_says_so(results, report):
    page = report(replaced(results, config=parse_config({})))
    assert "All defaults." in page.text


def test_parameters_that_differ_are_listed(page):
    assert f"market.days 24 {Config().market.days}" in page.text


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), min_size=1, max_size=400),
    st.integers(4, 60),
)
def test_thinning_keeps_ends_and_extremes(values, cap):
    kept = thin(values, cap)
    series = np.array(values)
    assert len(kept) <= cap
    assert np.all(np.diff(kept) > 0)
    assert kept[0] == 0
    assert kept[-1] == len(series) - 1
    if np.isfinite(series).any():
        assert np.nanmax(series[kept]) == np.nanmax(series)
        assert np.nanmin(series[kept]) == np.nanmin(series)
    if len(series) <= cap:
        assert len(kept) == len(series)


def unpacked(text, form="<f4"):
    return np.frombuffer(base64.b64decode(text), form)


def test_replay_has_the_hedges_and_the_profit_of_every_episode(results, page):
    data = json.loads(page.scripts["json-replay"])
    assert [e["number"] for e in data["episodes"]] == results.episodes["episode"].tolist()
    for episode, row in zip(data["episodes"], results.episodes.itertuples(), strict=True):
        fills = results.fills[(results.fills["episode"] == row.episode) & (results.fills["kind"] == "hedge")]
        traded, at = unpacked(episode["traded"]), unpacked(episode["at"], "<f8")
        assert traded.sum() == pytest.approx(fills["amount"].sum(), abs=0.01)
        assert set(at[traded != 0]) == set((fills["ts_ns"] // 10**6).astype(float))
        assert unpacked(episode["hedges"])[-1] == row.hedges
        for unit in ("usd", "coin"):
            assert unpacked(episode[unit]["P&L"])[-1] == pytest.approx(getattr(row, f"pnl_{unit}"), rel=1e-6)
        hedge = fills[fills["purpose"] == "hedge"].iloc[0]
        place = int(np.argmax(at == hedge["ts_ns"] // 10**6))
        assert unpacked(episode["before"])[place] == pytest.approx(hedge["delta_before"], abs=1e-6)
        assert unpacked(episode["after"])[place] == pytest.approx(hedge["delta_after"], abs=1e-6)


def test_deltas_are_sticks_from_before_to_after(results, page):
    hedges = results.fills[results.fills["purpose"] == "hedge"]
    sticks = trace(page.figure("deltas"), "before")
    assert len(sticks["x"]) == 3 * len(hedges)
    assert sticks["y"][0::3] == pytest.approx(hedges["delta_before"], abs=1e-6)
    assert sticks["y"][1::3] == pytest.approx(hedges["delta_after"], abs=1e-6)
    assert set(sticks["y"][2::3]) == {None}
    assert np.abs(hedges["delta_before"]).min() >= 0.05 - 1e-9


def test_costs_end_at_the_summary(results, page):
    for unit in ("usd", "coin"):
        parts = [trace(page.figure("costs"), name, unit)["y"][-1] for name in ("fees", "spread", "funding")]
        lines = [results.summary["attribution"][name][unit] for name in ("fees", "spread", "funding")]
        assert parts == pytest.approx(lines, rel=1e-5, abs=WRITTEN[unit])
        assert trace(page.figure("costs"), "all costs", unit)["y"][-1] == pytest.approx(sum(lines), rel=1e-5)


def test_the_cone_is_one_standard_deviation(results, page):
    figure = page.figure("cone")
    cone = trace(figure, "cone")
    upper = dict(zip(cone["x"], cone["y"], strict=True))
    assert cone["y"][cone["x"].index(25.0)] == pytest.approx(0.5)
    assert upper[100.0] == pytest.approx(-1.0)  # the lower edge comes last
    walks = [t for t in figure["data"] if t["name"] in ("profit", "loss")]
    assert sum(t["y"].count(None) for t in walks) == len(results.episodes)
    # The last move of an episode from its prices: ln(end/start) over IV times the root of its life.
    row = results.episodes.iloc[0]
    seen = results.moments[0]
    life = (pd.Timestamp(row["expiry"]).value - seen.ts_ns[0]) / (365 * 86_400e9)
    wanted = np.log(seen.forward[-1] / seen.forward[0]) / (row["iv_entry"] * np.sqrt(life))
    walk = next(t for t in walks if f"episode {row['episode']}" in t["text"])
    last = max(k for k, text in enumerate(walk["text"]) if text == f"episode {row['episode']}") - 1
    assert walk["y"][last] == pytest.approx(wanted, abs=1e-3)


def test_scalps_are_listed_and_the_largest_of_many(results, page, report):
    net = results.scalps["pnl_usd"] + results.scalps["fees_usd"]
    for value in net[net.abs().sort_values(ascending=False).index[:300]]:
        assert f"{value:+,.2f}" in page.text
    many = pd.concat([results.scalps] * 20, ignore_index=True)
    many["pnl_usd"] = np.linspace(0.0, 1_000.0, len(many))
    text = report(replaced(results, scalps=many)).text
    assert f"The 300 largest of {len(many):,}; scalps.csv has all." in text
    shown = many.nlargest(300, "pnl_usd")
    assert f"{shown['pnl_usd'].min():+,.2f}" in text
    assert f"{many.nsmallest(len(many) - 300, 'pnl_usd')['pnl_usd'].iloc[1]:+,.2f}" not in text


def test_findings_of_the_data_are_shown(results, page, report):
    assert "Simulated: nothing to check." in page.text
    data = results.summary["data"] | {"findings": {"chains: marks outside the quotes": 1234}}
    text = report(replaced(results, summary={"data": data, "simulated_data": False})).text
    assert "chains: marks outside the quotes 1,234" in text


@pytest.mark.parametrize("rule", HedgeRuleName.names)
def test_every_rule_has_words(results, report, rule):
    config = parse_config({"hedge": {"rule": rule, "instrument": "cheapest"}})
    text = report(replaced(results, config=config)).text
    assert "None of" not in text
    assert "Hedge None Exit" in text if rule == "never" else "expected to cost less" in text


@pytest.fixture(scope="module")
def tab():
    with browser() as found:
        yield found


def test_it_draws_switches_and_sorts_without_an_error(results, written, tab):
    tab.draw(written)
    assert tab.value("document.documentElement.dataset.drawn") == str(len(CHARTS))
    assert tab.value("document.querySelectorAll('.main-svg').length") > len(CHARTS)  # the replay, too
    tab.value("document.querySelector('input[value=coin]').click()")
    titles = tab.value("[...document.querySelectorAll('svg text')].map(t => t.textContent)")
    assert "P&L, BTC" in titles
    assert "P&L, USD" not in titles
    tab.value("document.querySelectorAll('#episode-table th button')[12].click()")
    best = results.episodes.loc[results.episodes["pnl_usd"].idxmax(), "episode"]
    assert tab.value("document.querySelector('#episode-table tbody button').textContent") == str(best)
    tab.value("document.querySelector('input[value=usd]').click()")
    assert tab.complaints == []


def test_a_row_opens_its_replay_and_keys_move_it(results, written, tab):
    tab.draw(written)
    row = results.episodes.iloc[-1]
    tab.value("[...document.querySelectorAll('#episode-table .open')].at(-1).click()")
    assert tab.value("document.activeElement.id") == "replay-at"
    assert f"Episode {row['episode']}:" in tab.value("document.getElementById('replay-title').textContent")
    entry = "d => [...d.children].map(c => c.textContent)"
    facts = f"Object.fromEntries([...document.querySelectorAll('#replay-facts div')].map({entry}))"
    assert tab.value(facts)["P&L, USD"] == "0.00"
    tab.press("ArrowRight")
    assert tab.value("document.getElementById('replay-at').value") == "1"
    tab.press("End")
    end = tab.value(facts)
    assert end["P&L, USD"] == f"{row['pnl_usd']:+,.2f}".replace("-", "−")
    assert end["Hedges so far"] == f"{row['hedges']:,}"
    tab.press("Home")
    tab.value("document.getElementById('replay-on').click()")
    hedges = results.fills[(results.fills["episode"] == row["episode"]) & (results.fills["kind"] == "hedge")]
    first = hedges.iloc[0]
    assert tab.value(facts)["Time, UTC"] == first["time"][:16].replace("T", " ")
    around = f"{first['delta_before']:+.4f} → {first['delta_after']:+.4f}".replace("-", "−")
    shown = tab.value(facts)["Delta, BTC"]
    assert shown.split(" ")[0] == around.split(" ")[0]
    tab.value("document.querySelector('input[value=coin]').click()")
    tab.press("End")
    tab.value("document.getElementById('replay-at').focus()")
    tab.press("End")
    assert tab.value(facts)["P&L, BTC"] == f"{row['pnl_coin']:+,.6f}".replace("-", "−")
    assert tab.complaints == []


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (375, True)])
def test_it_fits_a_screen_and_paper(written, tab, tmp_path, width, dark):
    tab.draw(written, width, dark=dark)
    assert tab.value("document.documentElement.scrollWidth") == width
    wide = (
        "[...document.querySelectorAll('.figure')].filter(f => f.getBoundingClientRect().right > innerWidth)"
    )
    assert tab.value(f"{wide}.length") == 0
    tab.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").read_bytes()[:4] == b"\x89PNG"
    heights = "[...document.querySelectorAll('.figure')].map(f => f.getBoundingClientRect().height)"
    drawn = tab.value(heights)
    tab.as_printed()
    assert min(tab.value(heights)) == min(drawn) > 200  # charts keep their room on paper
    paper = tab.pages_on_paper()
    assert 3 <= paper.count(b"/Type /Page\n") <= 20
    assert tab.complaints == []


def test_a_year_of_hourly_hedges_stays_small(tab, tmp_path):
    config = parse_config(
        {"market": {"days": 365, "snapshot_hours": 12}, "hedge": {"rule": "interval", "every": "1h"}}
    )
    year = run_backtest(config)
    assert year.summary["n_hedges"] > 9_000
    path = tmp_path / "report.html"
    write_report(year, path)
    assert path.stat().st_size < 8_000_000
    tab.draw(path)
    first = tab.value("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert first < 2_000  # 0.3 s on a quiet machine; all charts within 1.5
    total = trace(Page(path.read_text(encoding="utf-8")).figure("pnl"), "P&L", "usd")
    assert len(total["x"]) < len(year.profit)
    assert f"{year.summary['max_drawdown']['usd']:,.2f} USD" in path.read_text(encoding="utf-8")
