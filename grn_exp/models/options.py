"""What the options of methods have in common."""

from grn_exp.core.errors import InputError


def require_positive(**values: float) -> None:
    """Refuse model options that are not above zero.

    Raises
    ------
    InputError
        Naming the first such option.
    """
    for name, value in values.items():
        if not value > 0:
            raise InputError(f"model.{name}={value}: give a number above 0")


def require_shares(**values: float) -> None:
    """Refuse model options that are not in [0, 1).

    Raises
    ------
    InputError
        Naming the first such option.
    """
    for name, value in values.items():
        if not 0 <= value < 1:
            raise InputError(f"model.{name}={value}: give a share in [0, 1)")
