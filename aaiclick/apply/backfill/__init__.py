"""Carrying out the step that puts a materialized view in place and fills its target."""
