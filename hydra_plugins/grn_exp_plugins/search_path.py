"""Have Hydra read this package's configuration, and folders added to it, in its own way."""

from pathlib import Path

from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from grn_exp.storage.conf import conf_dir


class PythonDefaultsSearchPath(SearchPathPlugin):
    """Read ``conf/`` and ``--config-dir`` with Python's defaults; no other application's files."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Change what reads folders, if this application's is among them."""
        # not at the top: Hydra would register the class as a source beside its own
        from hydra_plugins.grn_exp_plugins._source import PythonDefaultsSource

        paths = [element.path.removeprefix("file://") for element in search_path.get_path()]
        if any(Path(path).resolve() == conf_dir().resolve() for path in paths):
            SourcesRegistry.instance().types["file"] = PythonDefaultsSource
