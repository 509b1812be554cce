"""The tool that breaks the code on purpose: what it changes, what it leaves alone, and that it cleans up."""

import ast
import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parent.parent / "tools/mutants.py"
SOURCE = '''"""A text with a < b."""

LIMIT = 1 + 1


def grow(x: int | None, y: float) -> float:
    """Add."""
    log.info("grown", extra={"more": x > 0 and not y})
    notify(x)
    if x is not None and y <= LIMIT * 2:
        raise ValueError(f"{x + y} ä")

    def inner(z):
        return "ü" if z in (1, 2) else z - 1

    return inner(not x)
'''
MADE = [  # line, what is there, what it becomes; positions count bytes, the texts are not all ASCII
    (9, "notify(x)", "pass"),
    (10, "LIMIT * 2", "((LIMIT) / (2))"),
    (10, "x is not None", "((x) is (None))"),
    (10, "x is not None and y <= LIMIT * 2", "((x is not None) or (y <= LIMIT * 2))"),
    (10, "x is not None and y <= LIMIT * 2", "False"),
    (10, "x is not None and y <= LIMIT * 2", "True"),
    (10, "y <= LIMIT * 2", "((y) < (LIMIT * 2))"),
    (14, "z - 1", "((z) + (1))"),
    (14, "z in (1, 2)", "((z) not in ((1, 2)))"),
    (14, "z in (1, 2)", "False"),
    (14, "z in (1, 2)", "True"),
    (16, "not x", "(x)"),
]


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """The tool, of a tree with one module and one test."""
    spec = importlib.util.spec_from_file_location("mutants", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    return module


def test_every_change_is_one_of_the_code_and_is_read_as_python(tool, tmp_path):
    (tmp_path / "grow.py").write_text(SOURCE, "utf-8")
    made = tool.mutants_of("grow.py")
    assert sorted((m.line, m.old, m.new) for m in made) == MADE
    data = SOURCE.encode()
    trees = {ast.dump(ast.parse(data[: m.start] + m.new.encode() + data[m.end :])) for m in made}
    assert len(trees - {ast.dump(ast.parse(data))}) == len(made)


@pytest.mark.parametrize(("value", "alive"), [(1, True), (0, False)])
def test_a_change_is_tried_by_the_tests_and_taken_back(tool, tmp_path, value, alive):
    file, test = tmp_path / "signs.py", tmp_path / "tests/test_signs.py"
    file.write_text("def is_positive(x):\n    return x > 0\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    test.write_text(
        f"import signs\n\n\ndef test_it():\n    assert signs.is_positive({value}) is (0 < {value})\n"
    )
    (mutant,) = tool.mutants_of("signs.py")
    assert mutant.new == "((x) >= (0))"
    assert tool.survives(mutant, [str(test)]) is alive
    assert file.read_text() == "def is_positive(x):\n    return x > 0\n"
    assert not list(tmp_path.rglob("*.pyc"))


def test_the_tests_of_a_file_are_its_own_then_those_of_a_session_then_those_that_import_it(tool, monkeypatch):
    monkeypatch.setattr(tool, "ROOT", TOOL.parent.parent)
    names = [Path(path).stem for path in tool.tests_of("live/execution.py")]
    assert names[: len(tool.SESSION_TESTS)] == list(tool.SESSION_TESTS)
    assert "test_combo_orders" in names
    watching = ["test_alerts", "test_heartbeat", "test_pace"]
    assert [Path(path).stem for path in tool.tests_of("live/watch.py")] == watching
