"""The error that means "your input, not our code"."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class InputError(ValueError):
    """A value that the user gave cannot be used.

    The message is one line that names the value and says what to do. The command line prints
    it as it stands and exits with code 2; every other exception is a defect and keeps its
    traceback.
    """


def close_matches(value: str, choices: Iterable[str]) -> str:
    """Return ``did you mean 'a' or 'b'? `` for a misspelt choice, or an empty string."""
    matches = difflib.get_close_matches(value, list(choices), n=3, cutoff=0.5)
    if not matches:
        return ""
    return f"did you mean {' or '.join(repr(match) for match in matches)}? "


def absent(path: Path) -> str:
    """Say why a path is no file."""
    return "a folder, not a file" if path.is_dir() else "no such file"


def brief(error: BaseException, *, longest: int = 160) -> str:
    """Return the first line of what a library says, cut to a length, or its error's name."""
    lines = str(error).strip().splitlines()
    return lines[0][:longest] if lines else type(error).__name__
