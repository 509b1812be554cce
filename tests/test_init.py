"""A project to begin with: what is written runs as it is."""

from importlib.resources import files

import pytest
from typer.testing import CliRunner

from gammacore.backtest.replay.own_trial import try_own_code
from gammacore.cli.main import app
from gammacore.config import load_config
from gammacore.errors import ConfigError
from support.run_notebook import execute, pictures


def init(*words):
    return CliRunner().invoke(app, ["init", *map(str, words)])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("projects") / "mine"
    result = init(folder)
    assert result.exit_code == 0, result.output
    return folder


def test_everything_is_there(project):
    found = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert found == {
        ".gitignore",
        "README.md",
        "config.yaml",
        "gammacore.service",
        "notebooks/first_look.ipynb",
        "rules.py",
    }
    assert (project / "data").is_dir()
    assert "# mine" in (project / "README.md").read_text()


def test_the_configuration_is_the_default_one_with_comments(project):
    assert load_config(project / "config.yaml") == load_config(None)
    packaged = files("gammacore.configurations").joinpath("params.yaml").read_text()
    assert (project / "config.yaml").read_text() == packaged


def test_the_code_of_ones_own_can_be_named(project, monkeypatch):
    monkeypatch.setenv("GAMMACORE_TRUST", "1")
    named = {
        "hedge.rule": "rules:half_at_night",
        "signal.forecast": "rules:calm",
        "entry.structure": "rules:strangle",
        "exit.rules.own": ["rules:enough"],
        "size.rule": "rules:small",
        "market.days": 30,
    }
    found = try_own_code(load_config(project / "config.yaml", named))
    assert [one.field for one in found if one.calls and not one.difference] == [
        "hedge.rule",
        "signal.forecast",
        "entry.structure",
        "size.rule",
        "exit.rules.own[0]",
    ]


def test_the_notebook_runs(project):
    outputs = execute(project / "notebooks/first_look.ipynb", project / "notebooks")
    shown = [output["data"]["text/html"] for output in outputs if "text/html" in output["data"]]
    assert pictures(outputs) == 4
    assert [("<svg" in html, "of the premium" in html, "95 % interval" in html) for html in shown] == [
        (True, True, False),
        (False, False, True),
    ]


def test_what_is_there_is_kept(project):
    (project / "config.yaml").write_text("currency: ETH\n")
    with pytest.raises(ConfigError, match="not empty; name another directory, or use --force"):
        raise init(project).exception
    told = init(project, "--force")
    assert told.exit_code == 0
    assert "config.yaml (was there, kept)" in told.output
    assert (project / "config.yaml").read_text() == "currency: ETH\n"


def test_a_file_in_the_way_is_told(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="taken"):
        raise init(tmp_path / "taken" / "project").exception
