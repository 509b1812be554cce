"""Take docs/img/dashboard.png and dashboard-phone.png: the page of a session on the local exchange.

python tools/dashboard_picture.py [SECONDS]

Needs chromium. The picture of the desktop is 1280 by 900, that of a phone 375 by 812, dark.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from gammacore.cli.live import SHOW
from gammacore.config import load_config
from gammacore.live.dashboard.source import JournalTail
from gammacore.live.dashboard.web import serving
from gammacore.live.journal import read
from gammacore.live.launch import end_session, exchange_process, start_session
from gammacore.live.session import SessionOptions

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.browser import browser  # noqa: E402

SECRET = "a-secret-of-the-local-exchange"
KEY = {"GAMMACORE_CLIENT_ID_TESTNET": "gammacore", "GAMMACORE_CLIENT_SECRET_TESTNET": SECRET}
SPEED = 60.0
LIMITS = {
    "costs.fill": "cross",
    "hedge.band": 0.03,
    "risk.max_delta": 0.1,
    "risk.max_gamma": 1.0,
    "risk.max_premium_usd": 5_000,
    "risk.max_daily_loss_usd": 1_000,
    "risk.max_drawdown_usd": {"4h": 800},
    "risk.max_margin_use": 0.5,
    "risk.max_hedges_per_hour": 60,
}
PICTURES = (
    ("dashboard", 1280, 900, {}),
    ("dashboard-phone", 375, 812, {"phone": True, "dark": True}),
)


def take(seconds: float) -> None:
    """Run a session for some seconds, and take the pictures while it trades."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        journal = Path(folder) / "live-local-BTC.db"
        with exchange_process("gammacore", SECRET, SPEED, 3) as url:
            options = SessionOptions(venue="local", journal=str(journal), url=url, speed=SPEED)
            session = start_session(load_config(None, SHOW | LIMITS), options, dict(os.environ) | KEY)
            try:
                while not journal.exists() or not any(record.name == "Fill" for record in read(journal)):
                    time.sleep(0.2)
                with serving(JournalTail(journal)) as port, browser() as page:
                    page.size(1280, 900)
                    page.open(f"http://127.0.0.1:{port}/")
                    time.sleep(seconds)
                    for name, width, height, more in PICTURES:
                        page.size(width, height, **more)
                        time.sleep(0.5)
                        page.picture(ROOT / "docs" / "img" / f"{name}.png")
            finally:
                end_session(session)


if __name__ == "__main__":
    take(float(sys.argv[1]) if len(sys.argv) > 1 else 100.0)
