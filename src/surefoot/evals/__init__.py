"""Measure scorers against labels and selection against outcomes."""
