"""The lease under the name that it had before it got a folder of its own: ``aaiclick.lease.acquire``. Nothing here
imports it; programs of users do."""

from __future__ import annotations

from aaiclick.lease.acquire import acquire

__all__ = ["acquire"]
