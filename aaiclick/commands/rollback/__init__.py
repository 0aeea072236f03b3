"""Rolling back to an earlier version: planning it, carrying it out, and finishing one that was killed."""
