"""Commands for many databases at once."""
