"""A small-step model of a copy on the hosts of a cluster, in which all orders are gone through."""
