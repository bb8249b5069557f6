"""Experiment framework for gene regulatory network inference.

Importing this package loads nothing heavy: import what you need from its rooms,
``grn_exp.core`` (containers), ``grn_exp.metrics``, ``grn_exp.simulate``, ``grn_exp.data``,
``grn_exp.models``, ``grn_exp.engine``.
"""

__version__ = "0.1.0"
