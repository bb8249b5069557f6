"""Files: known downloads with their hashes, the cache, writing without half-written results."""
