"""One script for the pages of a folder: its size, where it stands, and that pages draw with it alone."""

import json

import pytest

import gammacore as gc
from gammacore.backtest.report.script_file import script_name, script_of, script_text
from gammacore.cli.main import BAD_INPUT
from gammacore.errors import DataError
from support.browser import browser
from support.commands import run
from support.page_files import SHORT, write_pages

SHARED = [word for text in [*SHORT, "report.plotly=shared"] for word in ("--set", text)]
LARGEST = 1_200_000  # bytes of a page without its script


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages of all commands in one folder, the comparison beside the result directories."""
    return write_pages(tmp_path_factory.mktemp("pages"), settings=["report.plotly=shared"])


@pytest.fixture
def tab():
    with browser() as opened:
        yield opened


def test_the_pages_of_a_folder_share_one_script(pages):
    folder = pages[-1].parent
    assert [path.name for path in folder.rglob("plotly*")] == [script_name()]
    assert (folder / script_name()).read_text(encoding="utf-8") == script_text()
    for page in pages:
        text = page.read_text(encoding="utf-8")
        above = "" if page.parent == folder else "../"
        assert f'<script src="{above}{script_name()}"></script>' in text
        assert len(text.encode()) < LARGEST < len(script_text()) / 4
        assert "https://" not in text


def test_a_browser_draws_every_page_with_it(pages, tab):
    for page in pages:
        tab.draw(page)
        assert int(tab.value("document.documentElement.dataset.drawn")) > 0
        assert tab.value("document.querySelectorAll('.main-svg').length") > 0
        assert tab.value("document.getElementById('no-script')") is None
    assert tab.complaints == []


@pytest.mark.parametrize("left", [None, 100_000], ids=["missing", "cut short"])
def test_a_page_without_its_script_says_what_to_do(pages, tab, left):
    file = pages[-1].parent / script_name()
    if left is None:
        file.unlink()
    else:
        file.write_text(script_text()[:left], encoding="utf-8")
    try:
        for page in pages:
            tab.draw(page)
            words = tab.value("document.getElementById('no-script').textContent")
            where = "this page's folder" if page == pages[-1] else "the folder above this page's"
            assert words.startswith(f"No charts: {script_name()} is missing from {where}, or damaged. Run ")
            assert tab.value("document.documentElement.dataset.drawn") == "0"
        wrong = [text for text in tab.complaints if "ERR_FILE_NOT_FOUND" not in text]
        assert bool(wrong) == (left is not None)  # that of the script itself
        assert not any("Plotly" in text for text in wrong)
    finally:
        script_of("shared", pages[-1].parent, above=False)  # written again, as it is not whole
    assert file.read_text(encoding="utf-8") == script_text()


def test_variants_have_it_in_their_own_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "grid.yaml"
    config.write_text("vary: {hedge.band: [0.05, 0.1]}\n")
    words = ["backtest", "grid.yaml", *SHARED, "--out", "out"]
    assert run(monkeypatch, capsys, *words)[0] == 0
    assert [path.parent.name for path in tmp_path.rglob("plotly*")] == ["out"]
    assert script_name() in json.loads((tmp_path / "out" / ".gammacore.json").read_text())["files"]
    assert run(monkeypatch, capsys, *words)[0] == 0  # known as ours, and replaced


def test_an_empty_directory_has_it_beside_itself(tmp_path):
    (tmp_path / "run").mkdir()
    gc.backtest(market__days=14, report__plotly="shared").report(tmp_path / "run")
    assert [path.parent for path in tmp_path.rglob("plotly*")] == [tmp_path]
    assert f'src="../{script_name()}"' in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_pages_have_their_own_script_by_default(tmp_path):
    page = gc.backtest(market__days=14).report(tmp_path / "run")
    assert script_text() in page.read_text(encoding="utf-8")
    assert list(tmp_path.rglob("plotly*")) == []


def test_another_file_of_its_name_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / script_name()).write_text("mine\n")
    code, _, err = run(monkeypatch, capsys, "backtest", *SHARED, "--out", "run")
    assert code == BAD_INPUT
    assert f"{script_name()}: is not plotly's script; move it, or set report.plotly to inline" in err
    assert (tmp_path / script_name()).read_text() == "mine\n"
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write plotly's script: .*; set report\.plotly to inline"):
        script_of("shared", tmp_path / "file" / "run")
