"""Methods that choose a regulator set for each target."""
