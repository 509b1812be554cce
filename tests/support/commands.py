"""Commands of the program in the tests' own process."""

from gammacore.cli import main as cli


def run(monkeypatch, capsys, *arguments):
    """Exit code and what was printed, as the console script would."""
    monkeypatch.setattr("sys.argv", ["gammacore", *arguments])
    try:
        cli.main()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    captured = capsys.readouterr()
    return code, captured.out, " ".join(captured.err.split())
