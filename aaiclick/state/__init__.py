"""Everything that this library writes into a database about itself, one file for each kind."""
