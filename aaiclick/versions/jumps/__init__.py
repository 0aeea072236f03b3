"""Several versions of a table in one step."""
