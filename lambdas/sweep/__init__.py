"""The Lambda sweep: what was lost on the way is found."""
