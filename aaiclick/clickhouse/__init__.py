"""Statements on a running server, and facts about its tables, parts, mutations, merges and inserts."""
