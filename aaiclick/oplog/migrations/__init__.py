"""The oplog's migrations. Its differences need no help so far: ``schema.lock.json`` beside this file holds the five released versions,
made from ``aaiclick.oplog.versions`` by the engine."""
