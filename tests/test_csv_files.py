import gzip

import pytest

from gammacore.data.csv_files import header, quoted, usual_step
from gammacore.data.formats import KLINES
from gammacore.daycount import NS_PER_MINUTE
from gammacore.errors import DataError


def test_headers_that_are_stated_and_those_that_are_not(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("open_time,open\n1772323200000,1\n")
    assert header(path, "auto") == (["open_time", "open"], True)
    path.write_text(",".join(["1772323200000"] + ["1"] * 11) + "\n")
    assert header(path, "auto") == (list(KLINES), False)
    with pytest.raises(DataError, match="is no header"):
        header(path, "quotes")


def test_the_usual_step_survives_gaps_and_disorder(tmp_path):
    path = tmp_path / "a.csv.gz"
    minutes = [5, 1, 2, 3, 9, 10, 11, 40]
    path.write_bytes(
        gzip.compress(b"t\n" + b"".join(b"%d\n" % (1_772_323_200_000 + 60_000 * m) for m in minutes))
    )
    assert usual_step(path, 0, True) == NS_PER_MINUTE
    path.write_bytes(gzip.compress(b"t\n1772323200000\n"))
    with pytest.raises(DataError, match="two bars"):
        usual_step(path, 0, True)


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(b"t,v\n1,2\n")
    with pytest.raises(DataError, match=r"a\.csv\.gz"):
        header(path, "auto")


def test_texts_cannot_leave_their_quotes():
    assert quoted("a'; DROP TABLE t; --") == "'a''; DROP TABLE t; --'"
