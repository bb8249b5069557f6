"""What a message names, whatever its wording: keys, values, choices and paths."""

import re


def _whole(part: object) -> str:
    """Return a pattern of a part that does not begin or end inside a word or a number."""
    text = str(part)
    before = r"(?<!\w)" if re.match(r"\w", text) else ""
    after = r"(?!\w|\.\d)" if re.search(r"\w$", text) else ""
    return before + re.escape(text) + after


def naming(*parts: object) -> str:
    """Return a pattern of one line that names all ``parts``, in any order.

    For ``pytest.raises(InputError, match=naming("model.batch_size=0", "'B'"))``; a message of two
    lines does not match.
    """
    return r"\A" + "".join(f"(?=.*{_whole(part)})" for part in parts) + r".*\Z"


def lines_naming(text: str, *parts: object) -> list[str]:
    """Return the lines of an output that name all ``parts``."""
    return [line for line in text.splitlines() if re.search(naming(*parts), line)]
