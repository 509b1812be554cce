import io

import pytest
from rich.console import Console

from gammacore.data.quality import Finding, Quality, quality_table

QUALITY = Quality("two checks", (Finding("clean", 0, 10), Finding("dirty", 3, 12, "the first one")))


def test_counts_and_shares():
    assert QUALITY.count("dirty") == 3
    assert QUALITY.problems == (QUALITY.findings[1],)
    assert QUALITY.findings[1].share == 0.25
    assert Finding("nothing to check", 0, 0).share == 0.0
    with pytest.raises(KeyError, match="no check 'muddy'"):
        QUALITY.count("muddy")


def test_table_shows_every_check():
    console = Console(file=io.StringIO(), width=100)
    console.print(quality_table(QUALITY))
    text = console.file.getvalue()
    for part in ("two checks", "clean", "dirty", "25.000%", "the first one"):
        assert part in text
