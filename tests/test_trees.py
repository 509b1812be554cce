"""Folders of the store for the loaders."""

import pytest

from gammacore.data import load_funding
from gammacore.data.store import Store
from gammacore.data.trees import only_series, series_of
from gammacore.daycount import NS_PER_HOUR, parse_time
from gammacore.errors import DataError

START = parse_time("2026-03-01")


def funding(name, rate):
    hours = [START + k * NS_PER_HOUR for k in range(24)]
    rows = {"ts_ns": hours, "known_ns": hours, "instrument_name": [name] * 24, "funding_rate": [rate] * 24}
    return rows | {column: [1.0] * 24 for column in ("interest_8h", "index_price", "prev_index_price")}


@pytest.fixture
def folder(tmp_path):
    with Store(tmp_path) as store:
        for name, rate in (("BTC_USDC-PERPETUAL", 1e-5), ("ETH_USDC-PERPETUAL", 2e-5)):
            store.write("funding", "USDC", "2026-03-01", f"{name}_1h_download", funding(name, rate))
    return tmp_path / "processed" / "funding" / "USDC"


def test_series_are_told_apart_by_name(folder):
    assert set(series_of(folder)) == {"BTC_USDC-PERPETUAL_1h", "ETH_USDC-PERPETUAL_1h"}
    assert load_funding(folder / "ETH_USDC-PERPETUAL_1h").rate.tolist() == [2e-5] * 24


def test_several_series_must_be_named(folder):
    with pytest.raises(DataError, match="holds BTC_USDC-PERPETUAL_1h, ETH_USDC-PERPETUAL_1h; name one"):
        load_funding(folder)


def test_other_folders_are_none_of_ours(tmp_path):
    (tmp_path / "2026-03").mkdir()
    (tmp_path / "x.parquet").touch()
    assert series_of(tmp_path) == {}
    assert only_series(tmp_path) == (tmp_path, [])
    assert series_of(tmp_path / "nowhere") == {}


def test_a_file_in_pieces_is_hashed_as_one_and_errors_name_the_series(folder):
    info = load_funding(folder / "BTC_USDC-PERPETUAL_1h").file
    assert info.path.name == "BTC_USDC-PERPETUAL_1h"
    assert (info.rows, len(info.parts), len(info.sha256)) == (24, 1, 64)
    rows = funding("BTC_USDC-PERPETUAL", 1e-5) | {"funding_rate": [1e-5] * 3 + [None] + [1e-5] * 20}
    with Store(folder.parents[2]) as store:
        store.write("funding", "USDC", "2026-03-01", "BTC_USDC-PERPETUAL_1h_download", rows)
    with pytest.raises(
        DataError, match=r"BTC_USDC-PERPETUAL_1h: row 4, column 'funding_rate'.*is not a rate"
    ):
        load_funding(folder / "BTC_USDC-PERPETUAL_1h")
