"""Simulators: SERGIO steady state, random gene regulatory networks."""
