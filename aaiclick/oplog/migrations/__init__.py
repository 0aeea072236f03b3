"""The oplog's migrations: ``0002_sort_by_result.sql`` says what no difference can tell. ``schema.lock.json`` beside it
holds the five released versions, made from ``aaiclick.oplog.versions`` by the engine."""
