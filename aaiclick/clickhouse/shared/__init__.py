"""Tables of this library that all hosts of a cluster share, whatever their shard."""
