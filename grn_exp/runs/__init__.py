"""A run on disk: its folder, the one parser of its files, and what its key is made of."""
