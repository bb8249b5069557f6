"""Whether a finished run's method is still the one that is written in its source."""

import logging
from collections.abc import Mapping
from typing import Any

from grn_exp.core.defaults import source_hash
from grn_exp.runs.files import UnreadableError, part
from grn_exp.runs.folder import RunFolder

log = logging.getLogger(__name__)


def method_source(config: Mapping[str, Any]) -> str:
    """Hash the source of a configuration's method and of its retriever, with their bases."""
    nodes = (part(config, "model"), part(part(config, "retriever"), "model"))
    return source_hash(*(str(node["_target_"]) for node in nodes if "_target_" in node))


def has_changed(folder: RunFolder, config: Mapping[str, Any]) -> bool:
    """Say whether the method's source is another one than that of a finished run.

    False for a run from before the source was recorded.
    """
    try:
        recorded = folder.facts().get("method_source")
    except UnreadableError:
        return False
    return recorded is not None and recorded != method_source(config)


def warn_if_changed(folder: RunFolder, config: Mapping[str, Any]) -> None:
    """Warn of a finished run that is taken as it is although its method's source has changed."""
    if has_changed(folder, config):
        log.warning(
            "%s: the source of its method has changed since; force=true runs it again",
            folder.path,
        )
