"""Released versions: scripts on disk, the lock file, and which version a database is at."""
