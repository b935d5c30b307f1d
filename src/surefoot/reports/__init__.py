"""Plots and single-file HTML."""
