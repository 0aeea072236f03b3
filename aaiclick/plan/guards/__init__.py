"""Conditions that no row met when they were counted, kept true until the change is made."""
