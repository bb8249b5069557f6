"""Speed and memory, each against a plain reference implementation in the same run."""
