"""What the looks at rows found, held against rows that writers add between the look and the change."""
