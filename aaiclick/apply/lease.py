"""The lease under the name that it had before it got a folder of its own: ``aaiclick.lease.acquire``."""

from __future__ import annotations

from aaiclick.lease.acquire import acquire

__all__ = ["acquire"]
