"""A new replicated table takes the place of the old one on all hosts of a shard: by a copy of the rows on one of them,
or by their parts."""
