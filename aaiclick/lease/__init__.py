"""One migrator at a time: who holds the lease of a database, and what is done about one that is gone."""
