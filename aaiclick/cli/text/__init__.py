"""What is printed: numbers, changes, schemas as SQL and as Python."""
