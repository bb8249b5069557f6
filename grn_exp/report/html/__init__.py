"""``report.html``: everything about a folder of runs in one file that needs no network."""
