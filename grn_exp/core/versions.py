"""Format and version of a run's files, and what does not count in its key."""

METRICS_SCHEMA = 1  # of metrics.json

# Raise it when the same configuration would give other numbers: every run key changes with it.
RESULTS_VERSION = 5

# keys of the group prior that cannot change a number: where and how it is computed
PRIOR_HARDWARE = ("device", "batch_size")
