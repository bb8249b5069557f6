"""What a run is on disk: its folder, its files, and what its key is made of."""
