"""Declarations of what no database's catalogue lists."""
