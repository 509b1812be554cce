"""Property tests: no deadline, since machines are shared; the same examples everywhere on CI."""

import os

from hypothesis import settings

settings.register_profile("gammacore", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("gammacore")
