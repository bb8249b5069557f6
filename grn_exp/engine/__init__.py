"""One run: data in, model fitted, files out."""
