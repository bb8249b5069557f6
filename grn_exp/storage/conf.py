"""Where the configuration's files are."""

from pathlib import Path


def conf_dir() -> Path:
    """Return the folder of the configuration: beside the package, or in it when installed."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf folder in {package} or beside it")
