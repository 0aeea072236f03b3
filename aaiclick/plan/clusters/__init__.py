"""Plans on clusters: how their statements are sent, and what is not carried out there."""
