"""Benchmarks whose answer is the whole regulator set of each target."""
