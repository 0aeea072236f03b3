"""Web analytics: who looked at which page."""
