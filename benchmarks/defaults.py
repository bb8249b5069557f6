"""What a method or benchmark is run with by default."""

from typing import Any

import yaml

from grn_exp.config import conf_dir


def options(name: str) -> dict[str, Any]:
    """Return the arguments in a file of the configuration, as ``model/grnboost2.yaml``."""
    content = yaml.safe_load((conf_dir() / name).read_text(encoding="utf-8"))
    return {key: value for key, value in content.items() if key != "_target_"}
