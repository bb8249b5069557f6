"""The choice of hyper-parameters by cross-validation on training labels."""
