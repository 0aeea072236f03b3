"""Values of one type as values of another: which come through, which do not, and how a copy converts them."""
