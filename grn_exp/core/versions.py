"""Format and version of a run's files, and what does not count in its key."""

METRICS_SCHEMA = 1  # of metrics.json

# Raise it when the same configuration would give other numbers: every run key changes with it.
RESULTS_VERSION = 4

# What a method did before it had an option, by its module: a run that lacks the option did this.
EARLIER = {
    "grn_exp.models.edges.deepsem": {"networks": "merged"},
    "grn_exp.models.edges.infosem": {"networks": "merged"},
}

# keys of the group prior that cannot change a number: where and how it is computed
PRIOR_HARDWARE = ("device", "batch_size")
