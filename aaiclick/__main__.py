"""``python -m aaiclick``."""

from __future__ import annotations

import sys

from aaiclick.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
