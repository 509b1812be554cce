"""Files of a user's own code, and configurations that name them."""

import msgspec

from gammacore.config import functions_of
from gammacore.config.code_files import find_code

RULES = '''
"""Rules for tests."""
import numpy as np

from gammacore.contracts import CALL, PUT


def centre(at):
    return -at.mismatch


def half(at):
    return -0.5 * at.mismatch


def straddle(chain):
    return [(chain.nearest(kind, chain.forward), 1.0) for kind in (CALL, PUT)]


def trailing(past):
    moves = np.diff(np.log(past.price))
    years = (past.ts_ns[-1] - past.ts_ns[0]) / (365 * 86_400 * 10**9)
    return float(np.sqrt(np.sum(moves**2) / years))


def profit(held):
    return held.profit >= 0.02 * held.premium


def two(unit):
    return 2.0


def broken(view):
    ratio = 0.0
    return 1.0 / ratio
'''


def written(folder, text=RULES, name="rules"):
    """Write a file of code into a folder."""
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def noted(config, folder):
    """Note the files of a configuration, as reading it from a folder would."""
    return msgspec.structs.replace(config, code=find_code(list(functions_of(config)), folder))
