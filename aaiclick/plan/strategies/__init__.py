"""How a table gets its new form: in place, by its parts, or by a copy."""
