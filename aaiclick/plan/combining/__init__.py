"""Rows that merges combine: whether a change brings other rows together."""
