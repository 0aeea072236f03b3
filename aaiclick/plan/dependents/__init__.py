"""What reads a table from outside of it: views, materialized views with their targets, dictionaries."""
