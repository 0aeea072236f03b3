"""The connection that tests of the catalog have."""

from __future__ import annotations

from tests.catalog.conftest import connection

__all__ = ["connection"]
