"""Commands of the project that run before and after a migration, and when one fails. Of the command line only."""
