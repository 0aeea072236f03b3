"""Declarations of what no database's catalogue lists: see ``NamedCollection`` and ``Database``."""

from aaiclick.specs.server_objects.collections import NamedCollection
from aaiclick.specs.server_objects.databases import Database

__all__ = ["Database", "NamedCollection"]
