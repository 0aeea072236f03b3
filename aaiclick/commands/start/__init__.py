"""A start: what it was given, and what it does where there is something to look at."""
