"""From a price on the wire to the order that answers it, on loopback, against other clients in the same run.

    python benchmarks/latency.py [--rates 10,500,2000] [--triggers 400]

A local exchange on a processor of its own sends tickers of the perpetual at a steady rate; every few of them
the price jumps, and the client under test answers with an order. The time is from just before the ticker is
written to the socket to when bytes of the order are there to be read. gammacore is the whole session: its
desk decides on a position whose delta has left its band, and the journal is written before the order leaves.
The others compare the price with the last one, wait as long as a decision takes (35 us) and send. Read the
ratios; other jobs on the machine move everything.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from typing import Any

import latency_clients
from latency_clients import CLIENTS, HELD_BACK
from latency_exchange import pin, serve

BETWEEN_S, SLOWLY_S = 0.05, 0.3  # between two triggers; for who holds back what comes faster
CLIENT_CPU = 1


def start(target: Any, port: int) -> multiprocessing.Process | None:
    """Process of a client that is at work, None if it cannot be."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_run_client, args=(target.__name__, port, ready), daemon=True)
    process.start()
    give_up = time.monotonic() + 60.0
    while not ready.wait(0.2):
        if not process.is_alive() or time.monotonic() > give_up:
            process.kill()
            return None
    time.sleep(3.0)  # subscriptions, and for the session its straddle and the first hedge
    return process


def _run_client(name: str, port: int, ready: Any) -> None:
    pin(CLIENT_CPU)
    getattr(latency_clients, name)(port, ready)


def quantiles(found: list[int | None]) -> tuple[float, float, float, int]:
    times = sorted(t / 1_000 for t in found if t is not None)
    if len(times) < 20:
        return (float("nan"),) * 3 + (len(times),)  # type: ignore[return-value]
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[94], cuts[98], len(times)


def main(words: list[str]) -> None:
    """Measure every client that is installed at every rate, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rates", default="10,500,2000", help="tickers a second")
    parser.add_argument("--triggers", type=int, default=400, help="jumps of the price per rate")
    options = parser.parse_args(words)
    rates = [float(rate) for rate in options.rates.split(",")]
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    exchange = context.Process(target=serve, args=(theirs,), daemon=True)
    exchange.start()
    port = ours.recv()
    rows: dict[tuple[str, float], tuple[float, float, float, int]] = {}
    for name, (target, needs) in CLIENTS.items():
        if needs is not None and not _installed(needs):
            sys.stdout.write(f"{name}: not installed, left out\n")
            continue
        process = start(target, port)
        if process is None:
            sys.stdout.write(f"{name}: did not start, left out\n")
            continue
        for rate in rates:
            triggers = options.triggers if rate > 50 else max(options.triggers // 4, 50)
            slowly = needs in HELD_BACK
            ours.send((rate, triggers // (3 if slowly else 1) + 1, SLOWLY_S if slowly else BETWEEN_S))
            rows[name, rate] = quantiles(ours.recv()[1:])
            sys.stdout.write(f"{name} at {rate:g}/s: {_told(rows[name, rate])}\n")
            sys.stdout.flush()
        process.kill()
        process.join()
    ours.send(None)
    exchange.join(10)
    sys.stdout.write(table(rows, rates))


def _installed(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def _told(row: tuple[float, float, float, int]) -> str:
    return f"{row[0]:.0f} / {row[1]:.0f} / {row[2]:.0f} us, {row[3]} orders"


def table(rows: dict[tuple[str, float], tuple[float, float, float, int]], rates: list[float]) -> str:
    """Medians, 95th and 99th percentiles in microseconds, and the median's ratio to ccxt.pro."""
    lines = ["", "| client | " + " | ".join(f"{rate:g}/s" for rate in rates) + " | ratio |"]
    lines.append("|---" * (len(rates) + 2) + "|")
    middle = rates[len(rates) // 2]
    peer = rows.get(("ccxt.pro, REST orders", middle))
    for name in dict.fromkeys(name for name, _ in rows):
        cells = [_told(rows[name, rate]).partition(",")[0] for rate in rates]
        ratio = f"{rows[name, middle][0] / peer[0]:.2f}" if peer else "-"
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {ratio} |")
    return "\n".join(
        [*lines, "", f"median / 95th / 99th percentile; ratio of medians to ccxt.pro at {middle:g}/s", ""]
    )


if __name__ == "__main__":
    main(sys.argv[1:])
