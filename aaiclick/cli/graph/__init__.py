"""The picture of a schema: what it holds, and what reads or feeds what."""
