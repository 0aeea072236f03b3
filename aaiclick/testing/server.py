"""The test server under the name that it had until 0.1: ``python -m aaiclick.testing.server`` is ``python -m
aaiclick.engine_server.server``."""

from __future__ import annotations

import sys

from aaiclick.engine_server.server import main

if __name__ == "__main__":
    sys.exit(main())
