"""Posterior of regulator sets: evidence from expression, a prior from sets, sharing."""
