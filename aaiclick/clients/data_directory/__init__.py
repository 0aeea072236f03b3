"""The data directory of the embedded engine."""
