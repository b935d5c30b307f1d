"""Who writes steps."""
