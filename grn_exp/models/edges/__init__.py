"""Methods that score regulator, target pairs."""
