"""Files of an account's past: transaction logs in every layout that the exchange has had, made up."""

import csv
import io

from gammacore.data.account.layouts import NEWEST_LOG

NO_AMOUNT = tuple(name for name in NEWEST_LOG if name != "Amount")
NO_NOTE = tuple(name for name in NO_AMOUNT if name != "Note")
_OLD = {"Base Amount": "Size", "Fee Charged": "Fee Paid"}
OLDEST = tuple(_OLD.get(name, name) for name in NO_NOTE if name != "Index Price")
LAYOUTS = {"newest": NEWEST_LOG, "no amount": NO_AMOUNT, "no note": NO_NOTE, "oldest": OLDEST}

CALL, PERPETUAL = "BTC-19FEB21-49200-C", "BTC-PERPETUAL"
# seq, date, instrument, type, side, amount, position, price, cash flow, funding, fee, change, trade, order
DEPOSIT = (1, "14/02/21 09:00:00", "", "deposit", "-", "", "", "", "2", "", "0", "2", "", "")
BOUGHT = (2, "14/02/21 09:30:01", CALL, "trade", "open buy", "0.3", "0.3", "0.05", "-0.015", "", "0.00009")
BOUGHT += ("-0.01509", "11", "o1")
SOLD = (
    3,
    "14/02/21 09:30:01",
    PERPETUAL,
    "trade",
    "open sell",
    "6000",
    "-6000",
    "48000",
    "0",
    "",
    "0.0000625",
)
SOLD += ("-0.0000625", "12", "o2")
CLOSED = (4, "14/02/21 10:00:00", PERPETUAL, "trade", "close buy", "6000", "0", "48500", "-0.00128866")
CLOSED += ("", "0.00006186", "-0.00006186", "13", "o3")
OPENED = (
    5,
    "14/02/21 10:00:00",
    PERPETUAL,
    "trade",
    "open buy",
    "4000",
    "4000",
    "48500",
    "0",
    "",
    "0.00004124",
)
OPENED += ("-0.00004124", "13", "o3")
SETTLED = (
    6,
    "15/02/21 08:00:00",
    PERPETUAL,
    "settlement",
    "long",
    "4000",
    "4000",
    "48900",
    "-0.00062",
    "0.00002",
)
SETTLED += ("0", "-0.00062", "", "")
DELIVERED = (7, "19/02/21 08:00:00", CALL, "delivery", "close sell", "0.3", "0", "51000", "0.01058824", "")
DELIVERED += ("0.00004", "0.01054824", "", "")
ROWS = (DEPOSIT, BOUGHT, SOLD, CLOSED, OPENED, SETTLED, DELIVERED)
NAME = "deribit-transaction_log-7-BTC-2021.csv"

_FIELDS = ("UserSeq", "Date", "Instrument", "Type", "Side", "Amount", "Position", "Price", "Cash Flow")
_FIELDS += ("Funding", "Fee Charged", "Change", "Trade ID", "Order ID")


def log(rows=ROWS, layout="newest", dates=None, **changes):
    """Text of a log, newest first as the exchange writes it; ``changes`` are cells by ``seq_Field``."""
    out, balance = [], 0.0
    for row in rows:
        cells = dict(zip(_FIELDS, (str(cell) for cell in row), strict=True))
        if dates is not None:
            cells["Date"] = dates[row[0]]
        changed = {
            name.split("_", 1)[1].replace("_", " "): value
            for name, value in changes.items()
            if name.split("_", 1)[0] == f"s{row[0]}"
        }
        cells |= {"ID": str(100 + row[0]), "Fee Balance": "0", **changed}
        balance += float(cells["Change"] or 0)
        cells["Balance"] = changed.get("Balance", f"{balance:.8f}")
        cells["Base Amount"] = cells["Amount"]
        cells |= {old: cells[new] for new, old in _OLD.items()}
        out.append(cells)
    text = io.StringIO()
    writer = csv.DictWriter(text, LAYOUTS[layout], extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(reversed(out))
    return text.getvalue()


def write(folder, text, name=NAME):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
