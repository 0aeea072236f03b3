"""Declarations of what no database's catalogue lists: see ``Database``."""

from aaiclick.specs.server_objects.databases import Database

__all__ = ["Database"]
