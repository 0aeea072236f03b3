"""Columns that older parts lack: what their rows read, and what they would read."""
