"""Declarations that are SQL: read by the engine itself."""
