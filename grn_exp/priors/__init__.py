"""Gene embeddings that models may use as priors."""
