"""Draw docs/img/report.png, report-phone.png and compare.png from runs on the built-in market.

python tools/report_picture.py

Needs chromium, and pillow to write small files.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from gammacore.backtest.figures.results import run_backtest
from gammacore.backtest.replay.market import load_market
from gammacore.backtest.report import write_results
from gammacore.backtest.report.compare_figures import comparison
from gammacore.backtest.report.compare_page import render_comparison
from gammacore.backtest.report.compare_runs import load_runs
from gammacore.config import load_config

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "img"
RUNS = {"band": {}, "every-8h": {"hedge.rule": "interval", "hedge.every": "8h"}}
WIDE, PHONE = 1280, 375

sys.path.append(str(ROOT / "tests"))
from support.browser import browser  # noqa: E402


def keep(picture: Path, name: str) -> None:
    """Write a picture with few colours, which is what charts have."""
    few = Image.open(picture).convert("RGB").quantize(96, dither=Image.Dither.NONE)
    held = io.BytesIO()
    few.save(held, "PNG", optimize=True)
    (PICTURES / name).write_bytes(held.getvalue())
    sys.stdout.write(f"{name}: {few.size[0]} x {few.size[1]}, {len(held.getvalue()) // 1024} kB\n")


def beside(pictures: list[Path], gap: int) -> Image.Image:
    """Put pictures side by side, cut to the lowest."""
    images = [Image.open(picture).convert("RGB") for picture in pictures]
    high = min(image.height for image in images)
    wide = sum(image.width for image in images) + gap * (len(images) - 1)
    joined = Image.new("RGB", (wide, high), "#c9ccd1")
    x = 0
    for image in images:
        joined.paste(image.crop((0, 0, image.width, high)), (x, 0))
        x += image.width + gap
    return joined


def draw(folder: Path) -> None:
    """Run, write, and take the pictures."""
    market = load_market(load_config(None, {}))
    for name, settings in RUNS.items():
        (folder / name).mkdir()
        write_results(run_backtest(load_config(None, settings), market), folder / name)
    runs = load_runs([folder / name for name in RUNS])
    compared = folder / "compare.html"
    compared.write_text(render_comparison(runs, comparison(runs)), encoding="utf-8")
    report, taken = folder / "band" / "report.html", folder / "taken.png"
    with browser() as tab:
        tab.draw(report, WIDE)
        tab.picture(taken, height=2350)
        keep(taken, "report.png")
        tab.draw(report, PHONE, 800)
        tab.picture(folder / "top.png", height=1050)
        tab.value("[...document.querySelectorAll('#episode-table .open')][4].click()")
        tab.value("document.getElementById('replay-at').value = 210")
        tab.value("document.getElementById('replay-at').dispatchEvent(new Event('input'))")
        tab.value("new Promise(done => setTimeout(done, 500))")
        tab.picture(folder / "replay.png", "#replay", height=1050)
        beside([folder / "top.png", folder / "replay.png"], 24).save(taken)
        keep(taken, "report-phone.png")
        tab.draw(compared, WIDE)
        tab.picture(taken, height=1700)
        keep(taken, "compare.png")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        draw(Path(place))
