"""The proof that a change in place (``alter``, ``mutate``, ``attach``) ends in the same as the copy."""
