"""``python -m gammacore.live``: the same as ``gammacore live``."""

import sys

from gammacore.cli.main import main

sys.argv[1:1] = ["live"]
main()
