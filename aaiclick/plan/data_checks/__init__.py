"""Questions to the live rows: what a change would lose or could not convert."""
