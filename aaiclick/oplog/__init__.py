"""The operation log's schema: an old install comes up to date at start-up."""

from __future__ import annotations

from aaiclick.oplog.init import init_oplog_tables as init_oplog_tables
from aaiclick.oplog.init import init_oplog_tables_async as init_oplog_tables_async
from aaiclick.oplog.schema import OPLOG as OPLOG

__all__ = ["OPLOG", "init_oplog_tables", "init_oplog_tables_async"]
