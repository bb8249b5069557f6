"""Whose ``hydra/launcher=joblib`` is meant: ours, also where Hydra's own plugin is installed."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin


class LauncherChoices(SearchPathPlugin):
    """Take away configurations that stand beside ours under the same name.

    Hydra would merge them. It asks this once it has found all plugins, and before it composes.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Leave the path as it is."""
        del search_path
        stored = ConfigStore.instance().repo.get("hydra", {}).get("launcher", {})
        for name in ("joblib", "ray", "submitit_slurm"):
            stored.pop(f"{name}.yaml", None)
