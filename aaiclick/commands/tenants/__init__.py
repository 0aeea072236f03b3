"""Many databases of one server, looked at together."""
