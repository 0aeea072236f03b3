"""Kinds of change: what each says, does and may harm."""
