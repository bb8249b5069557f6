"""What grn_exp adds to Hydra: sweepers and launchers. Hydra finds them by this folder's name."""
