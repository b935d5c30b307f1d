"""Foreign formats, both ways."""
