"""SQL text: names, strings, tokens, expressions, types. It knows no database and no schema."""
