"""Plans with version scripts: their statements and functions among the steps of the tables."""
