"""The engine's own CREATE text, cut into the pieces of a form."""
