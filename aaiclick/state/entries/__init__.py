"""What the steps of a run enter in the journal."""
