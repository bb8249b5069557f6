"""Standard output and error that cannot end a job: a reader that leaves, a full disk, ASCII."""

import contextlib
import logging
import os
import sys
from typing import Any, TextIO


class _Unfailing:
    """A text stream that drops what it can no longer write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="replace")  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a stream
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            self._drop()
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._drop()

    def _drop(self) -> None:
        # what is still buffered goes nowhere too, or Python would complain as it exits
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def protect() -> None:
    """Make ``sys.stdout`` and ``sys.stderr`` unfailing, for loggers too; a second call is free.

    Characters that the encoding lacks are written as ``?``; a stream that is closed or whose
    reader has gone takes what is written and drops it.
    """
    for descriptor, name in enumerate(("stdout", "stderr"), start=1):
        before = getattr(sys, name)
        if isinstance(before, _Unfailing):
            continue
        if before is None or before.closed:
            _give_to_children(descriptor)
            before = os.fdopen(descriptor, "w", encoding="utf-8", closefd=False)
        after: Any = _Unfailing(before)
        setattr(sys, name, after)
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is before:
                handler.setStream(after)


def _give_to_children(descriptor: int) -> None:
    """Open a closed descriptor, which the processes of a sweep inherit and need."""
    try:
        os.fstat(descriptor)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        if nowhere != descriptor:
            os.close(nowhere)
        os.set_inheritable(descriptor, True)  # noqa: FBT003
