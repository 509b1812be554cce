"""Every page at three widths: nothing leaves the window, no cell is cut, no names overlap."""

import html
import json

import pytest

from support.browser import browser
from support.page_files import write_pages

WIDTHS = (390, 768, 1440)
BOXED = """function boxed(e) { // within a box that scrolls by itself, or that plotly measures texts in
  for (let p = e.parentElement; p; p = p.parentElement)
    if (["auto", "scroll", "hidden"].includes(getComputedStyle(p).overflowX)) return true;
  return e.closest("#js-plotly-tester") !== null;
}"""
OUTSIDE = (
    "(() => { "
    + BOXED
    + """
  return [...document.body.querySelectorAll("*")].filter(e => {
    const b = e.getBoundingClientRect(), window = document.documentElement.clientWidth;
    return b.width > 0 && (b.right > window + 0.5 || b.left < -0.5) && !boxed(e);
  }).map(e => e.outerHTML.slice(0, 80)); })()"""
)
CUT = """[...document.querySelectorAll("th, td, dt, dd, .card, h1, h2, h3, p, li")]
  .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX === "visible")
  .map(e => [e.textContent.slice(0, 60), e.scrollWidth, e.clientWidth])"""
SCROLLED = """[...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => [e.querySelector("table").id, e.scrollWidth, e.clientWidth])"""
# Scrolled to its end, a table still shows the first column, and then the last one.
KEPT = """[...document.querySelectorAll(".scroll")].every(box => {
  box.scrollLeft = 1e6;
  const edge = box.getBoundingClientRect(), cells = [...box.querySelector("tbody tr").cells];
  const [first, last] = [cells[0], cells.at(-1)].map(cell => cell.getBoundingClientRect());
  return Math.abs(first.left - edge.left) < 3 && last.right < edge.right + 1;
})"""
NAMES = """[...document.querySelectorAll(".figure")].flatMap(figure => {
  const shown = [...figure.querySelectorAll(".legendtext, .textpoint text")];
  const texts = shown.map(t => [t.textContent, t.getBoundingClientRect()]);
  // Nothing of a legend is drawn beyond its background.
  const inside = t => t.closest(".legend") ? t.closest(".legend").querySelector(".bg") : figure;
  const cut = shown.filter(t => t.getBoundingClientRect().right > inside(t).getBoundingClientRect().right + 1).map(t => t.textContent + " is cut");
  const points = [...figure.querySelectorAll(".scatterlayer .point")].map(p => ["a point", p.getBoundingClientRect()]);
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3;
  const over = ([name, a], others) => others.filter(([, b]) => meet(a, b)).map(([other]) => name + " on " + other);
  return cut.concat(texts.flatMap((text, k) => over(text, texts.slice(k + 1).concat(points))));
})"""  # noqa: E501

# An axis that says a number twice has more ticks than it has numbers; decades of a logarithm say each.
TWICE = """[...document.querySelectorAll(".figure")].flatMap(figure =>
  ["xtick", "x2tick", "ytick", "y2tick"].flatMap(axis => {
    const plot = figure.matches(".js-plotly-plot") ? figure : figure.querySelector(".js-plotly-plot");
    if (plot._fullLayout[axis.replace(/^(.)(.?)tick/, "$1axis$2")]?.type === "log") return [];
    const said = [...figure.querySelectorAll(`.${axis} text`)].map(t => t.textContent);
    return said.filter((text, k) => said.indexOf(text) < k);
  }))"""
# A long path or name at the end of every text.
LENGTHEN = """
document.querySelectorAll("h1, h2, h3, p, li, dd")
  .forEach((e) => e.append("/srv/" + "own_rules_and_more".repeat(14)))
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return write_pages(tmp_path_factory.mktemp("widths"), settings=["report.plotly=shared"])


def test_every_summary_begins_with_the_verdict_that_its_page_shows(pages):
    summaries = [page.with_name("summary.json") for page in pages if page.name == "report.html"]
    assert len(summaries) == 5
    for file in [
        *summaries,
        *(page.with_suffix(".json") for page in pages if page.name == "calibration.html"),
    ]:
        first, told = next(iter(json.loads(file.read_text()).items()))
        assert first == "verdict"
        (page,) = [page for page in pages if page.parent == file.parent and page.stem != "hedges"]
        shown = html.unescape(page.read_text())
        for sentence in told.values() if isinstance(told, dict) else [told]:
            assert len(sentence) > 20
            assert sentence in shown


@pytest.fixture(scope="module")
def tab():
    with browser() as opened:
        yield opened


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window_and_no_cell_is_cut(pages, tab, width):
    assert len(pages) == 8
    for page in pages:
        tab.draw(page, width)
        name = f"{page.parent.name}/{page.name}"
        assert tab.value("document.documentElement.scrollWidth") == width, name
        assert tab.value(OUTSIDE) == [], name
        assert tab.value(CUT) == [], name
        assert tab.value(NAMES) == [], name
        assert tab.value(TWICE) == [], name
        assert width < 1440 or tab.value(SCROLLED) == [], name
        assert tab.value(KEPT), name
        tab.value(LENGTHEN)
        assert tab.value(OUTSIDE) == [], f"{name} with long paths and names"
        assert tab.value("document.documentElement.scrollWidth") == width, f"{name} with long paths and names"
    assert tab.complaints == []


def test_the_checks_find_what_they_name(pages, tab):
    tab.draw(pages[-1], 390)
    assert tab.value(SCROLLED) != []
    tab.value("document.querySelectorAll('.scroll').forEach(e => e.style.overflow = 'visible')")
    assert tab.value(OUTSIDE) != []
    assert not tab.value(KEPT)
    narrow = "e.style.cssText = 'table-layout:fixed; width:90px'"
    tab.value(f"document.querySelectorAll('table').forEach(e => {narrow})")
    assert tab.value(CUT) != []
    tab.value("document.querySelectorAll('.legendtext').forEach(e => e.setAttribute('x', 500))")
    assert tab.value(NAMES) != []
