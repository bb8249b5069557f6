"""Read ``conf/`` with the defaults that classes have in Python beside what its files say."""

from pathlib import Path, PurePosixPath

from hydra._internal.core_plugins import file_config_source
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin

from grn_exp import config


class PythonDefaultsSource(file_config_source.FileConfigSource):
    """Files of a folder, with every option of the class that a file names."""

    @staticmethod
    def scheme() -> str:
        """Return what the folder is prefixed with in a search path."""
        return "grn-exp"

    def load_config(self, config_path: str) -> ConfigResult:
        """Load a file and add what it leaves to the class."""
        found = super().load_config(config_path)
        path = PurePosixPath(config_path)
        config.add_python_defaults(found.config, str(path.parent), path.stem, Path(self.path))
        return found


class PythonDefaultsSearchPath(SearchPathPlugin):
    """Have this package's configuration, and no other application's, read in that way."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Change the scheme of the folder."""
        own = config.conf_dir().resolve()
        for element in search_path.get_path():
            if Path(element.path.removeprefix("file://")).resolve() == own:
                element.path = f"{PythonDefaultsSource.scheme()}://{own}"
