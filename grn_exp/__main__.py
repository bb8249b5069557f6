"""``python -m grn_exp``."""

from grn_exp.cli import main

main()
