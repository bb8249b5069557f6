"""What tells results apart: the form of a run's files, their version, and what does not count."""

METRICS_SCHEMA = 1  # of metrics.json

# Raise it when the same configuration would give other numbers: every run key changes with it.
RESULTS_VERSION = 3

# keys of the group prior that cannot change a number: where and how it is computed
PRIOR_HARDWARE = ("device", "batch_size")
