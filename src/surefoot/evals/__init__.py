"""Measure scorers on benchmarks, and selection against outcomes."""
