"""The page of a calibration: what it shows, and that it draws at both widths."""

import msgspec
import numpy as np
import pytest

from gammacore.backtest.figures.calibration import calibrate_lives
from gammacore.backtest.figures.lives import Lives
from gammacore.backtest.report.calibration_page import render_calibration
from gammacore.config import parse_config
from gammacore.daycount import NS_PER_DAY, parse_time
from support.browser import browser

START = parse_time("2026-01-05T12:00")


def lives(rule, weeks=20, each=6, seed=1, coin="BTC"):
    rng = np.random.default_rng(seed)
    count = weeks * each
    entry = START + np.repeat(7 * np.arange(weeks), each) * NS_PER_DAY + rng.integers(0, NS_PER_DAY, count)
    days = rng.choice([1, 3, 7], count)
    p = rng.uniform(0.1, 0.7, count)
    profit = np.where(rng.random(count) < p, 1.0, -1.0)
    config = parse_config({"currency": coin, "hedge": {"rule": rule}})
    expiry = entry + days * NS_PER_DAY
    return Lives(coin, rule, config, entry, expiry, expiry, p, profit, np.ones(count))


@pytest.fixture(scope="module")
def found():
    few = lives("never", weeks=2)
    return calibrate_lives([lives("band"), lives("interval", seed=2), few, lives("band", coin="ETH")])


@pytest.fixture
def tab():
    with browser() as opened:
        yield opened


def test_it_begins_with_the_verdict_of_each_coin(found):
    page = render_calibration(found)
    first = page.index("BTC, band 0.1: Skill: Brier")
    assert first < page.index("ETH, band 0.1: Skill: Brier") < page.index("<main>")
    assert "Of 3 rules 2 have skill, and 1 too few straddles to say." in page
    assert "Simulated quotes" not in page
    assert "Simulated quotes" in render_calibration(found, simulated=True)


def test_every_score_stands_beside_its_straddles_and_weeks(found):
    page = render_calibration(found)
    whole = found[0].whole
    row = page[page.index('<td class="name">band 0.1</td>') :].partition("</tr>")[0]
    shown = (whole.straddles, whole.weeks, f"{whole.brier.value:.4f}", f"{whole.constant:.4f}")
    assert all(f'<td class="num">{value}</td>' in row for value in shown)
    few = page[page.index('<td class="name">never</td>') :].partition("</tr>")[0]
    assert '<td class="num">12</td><td class="num">2</td>' in few
    assert "–" in few  # no interval


def test_what_is_found_is_plain_json(found):
    text = msgspec.json.encode([one.document() for one in found]).decode()
    assert "NaN" not in text
    assert found[2].document()["whole"]["brier"]["low"] is None


def test_a_browser_draws_it_at_both_widths(found, tmp_path, tab):
    path = tmp_path / "calibration.html"
    path.write_text(render_calibration(found), encoding="utf-8")
    for width in (1440, 390):
        tab.draw(path, width)
        assert tab.value("document.documentElement.dataset.drawn") == "4"
        assert tab.value("document.documentElement.scrollWidth") == width
    assert tab.complaints == []


def test_one_straddle_is_too_few():
    (one,) = calibrate_lives([lives("never", weeks=1, each=1)])
    assert one.verdict() == "Nothing can be said: 1 straddle in 1 week is too few."
