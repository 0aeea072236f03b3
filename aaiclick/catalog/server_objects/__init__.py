"""What no database's catalogue lists, as it is on the server."""
