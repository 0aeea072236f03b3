"""Trying a change on clones before it is planned: empty ones, and ones that hold parts of the live table."""
