"""Ranking metrics as NumPy functions, and torchmetrics shells over them."""
