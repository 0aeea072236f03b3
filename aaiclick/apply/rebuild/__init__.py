"""A new table takes the place of the old one: by a copy of the rows, or by their parts."""
