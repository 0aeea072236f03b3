"""Steps that put a materialized view in place and bring in what its source holds already."""
