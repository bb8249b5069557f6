"""From run folders to tables and figures. Reads files only: no torch, no Hydra, no engine."""
