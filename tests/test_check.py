import pytest

from gammacore.data import load_chains
from gammacore.data.check import iv_reproduction
from support import chain_files
from support.shared_data import recorded


@pytest.mark.parametrize(
    ("currency", "rows", "recorded_within", "parity_within"),
    [("BTC", 282_566, 0.924, 0.995), ("ETH", 259_460, 0.897, 0.99)],
)
def test_recorded_volatilities_are_reproduced(currency, rows, recorded_within, parity_within):
    # Rows and shares were measured on this store by independent code.
    chains = load_chains(recorded("data/deribit_options"), currency=currency)
    found = iv_reproduction(chains)
    assert found["parity"]["rows"] == rows
    assert found["parity"]["failed"] == 0
    assert found["parity"]["within_0_1"] >= parity_within
    assert found["parity"]["within_0_5"] >= 0.998
    assert found["parity"]["median"] < 0.0035
    assert found["recorded"]["within_0_1"] == pytest.approx(recorded_within, abs=0.001)


def test_exact_marks_are_reproduced_exactly(tmp_path):
    path = chain_files.write(tmp_path / "chain.csv", chain_files.text(chain_files.rows()))
    found = iv_reproduction(load_chains(path))
    assert found["recorded"]["rows"] == 48
    assert found["recorded"]["within_0_1"] == 1.0
    assert found["parity"]["p99"] < 0.01


def test_marks_below_intrinsic_value_count_as_failed(tmp_path):
    quotes = list(chain_files.rows())
    quotes[0] |= {"mark_price": "0.01"}
    path = chain_files.write(tmp_path / "chain.csv", chain_files.text(quotes))
    found = iv_reproduction(load_chains(path))["recorded"]
    assert found["failed"] == 1
    assert found["within_0_5"] == 47 / 48


def test_linear_chains_are_refused(tmp_path):
    quotes = [
        q | {"instrument_name": q["instrument_name"].replace("BTC", "BTC_USDC")} for q in chain_files.rows()
    ]
    path = chain_files.write(tmp_path / "chain.csv", chain_files.text(quotes))
    with pytest.raises(ValueError, match="inverse options only, got BTC_USDC"):
        iv_reproduction(load_chains(path))
