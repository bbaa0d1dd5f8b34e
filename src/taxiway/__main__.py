"""``python -m taxiway`` is the command ``taxiway``."""

from __future__ import annotations

import sys

from taxiway.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
