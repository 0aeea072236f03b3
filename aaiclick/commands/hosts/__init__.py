"""All hosts of a cluster: whether they can carry out what is sent, and what killed runs left on them."""
