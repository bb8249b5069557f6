"""Benchmarks as Lightning DataModules, and the files behind them."""
