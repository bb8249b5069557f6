"""Benchmarks whose answer is a score for each pair of regulator and target."""
