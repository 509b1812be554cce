"""Small files of bars."""

import gzip

from gammacore.daycount import NS_PER_MINUTE, format_time, parse_time

DAY = parse_time("2026-01-05")


def write(path, closes, start=DAY, step=NS_PER_MINUTE, column="open_time"):
    """Bars of one length; None leaves one out."""
    lines = [f"{column},close"]
    for i, close in enumerate(closes):
        time = start + i * step
        text = str(time // 10**6) if column.endswith("_ms") else format_time(time)
        lines += [f"{text},{close}"] if close is not None else []
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path
