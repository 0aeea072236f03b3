"""What of a plan is carried out: all of it as approved, or what stands alone where the rest is refused."""
