"""Which form of a run's files, and which results, this code writes and understands."""

METRICS_SCHEMA = 1  # of metrics.json

# Raise it when the same configuration would give other numbers: every run key changes with it.
RESULTS_VERSION = 2
