"""The embedded engine behind ClickHouse's HTTP interface, in a process of its own."""
