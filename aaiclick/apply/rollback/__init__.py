"""Rolling back to an earlier version, with the rows that came since."""
