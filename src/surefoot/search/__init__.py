"""Spend step rewards at test time."""
