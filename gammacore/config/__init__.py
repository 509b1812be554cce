"""Configuration: one YAML file read into typed, bounded structs.

Unknown names, wrong types and values out of range are refused with the path, what was
expected, what was found and the nearest valid name. ``config/params.yaml`` lists every
parameter with its default and a comment. Durations are parsed once, as they are read.
"""

from .checks import check, check_web_address
from .code_files import functions_of
from .durations import Duration, parse_duration
from .own_names import OwnName
from .reading import all_functions_of, load_config, parse_config, rolled_entry, stated, with_overrides
from .sections import (
    MOST_VOL,
    CodeFile,
    Config,
    DataConfig,
    EntryConfig,
    HedgeConfig,
    MarketConfig,
    PaceConfig,
    RulesConfig,
    SimulateConfig,
    SizeConfig,
    TermConfig,
    WhenConfig,
)

__all__ = [
    "MOST_VOL",
    "CodeFile",
    "Config",
    "DataConfig",
    "Duration",
    "EntryConfig",
    "HedgeConfig",
    "MarketConfig",
    "OwnName",
    "PaceConfig",
    "RulesConfig",
    "SimulateConfig",
    "SizeConfig",
    "TermConfig",
    "WhenConfig",
    "all_functions_of",
    "check",
    "check_web_address",
    "functions_of",
    "load_config",
    "parse_config",
    "parse_duration",
    "rolled_entry",
    "stated",
    "with_overrides",
]
