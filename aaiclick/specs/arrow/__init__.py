"""Tables from Arrow schemas, and Arrow schemas from tables."""
