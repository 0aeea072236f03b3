"""Steps for what no database's catalogue lists."""
