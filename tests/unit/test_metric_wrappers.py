"""What Lightning logs keeps the digits of ``metrics.json``."""

import pickle

from grn_exp.metrics.wrappers import Judged


def test_a_value_keeps_its_digits():
    value = 0.1234567890123456
    for metric in (Judged(value), pickle.loads(pickle.dumps(Judged(value)))):  # noqa: S301
        assert metric.compute().item() == value
    metric = Judged(1.0)
    metric.update(value)
    assert metric.compute().item() == value
