"""Decoders: from a score of sets to the best set of a pool."""
