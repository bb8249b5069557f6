"""Being asked to end: Ctrl-C, SIGTERM from a shell or a queue, SIGUSR1 and SIGUSR2 before a limit.

Imports nothing heavy: the command line and the launchers use it too.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_STDERR = 2

_deferring = 0
_received: int | None = None


class Stopped(BaseException):
    """The process was asked to end; what is done is kept, and the same command goes on.

    Like ``KeyboardInterrupt`` no ``Exception``: nothing that retries or reports failures takes
    it for one.

    Parameters
    ----------
    signum
        The signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signum).name}"

    @property
    def exit_code(self) -> int:
        """What a shell makes of a process that a signal ended."""
        return 128 + self.signum


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Turn the signals into :class:`Stopped` meanwhile; outside the main thread change nothing."""
    global _received  # noqa: PLW0603 - signals are the process's, so is what they say
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listen()
    try:
        yield
    finally:
        _received = None
        for number, handler in before.items():
            signal.signal(number, handler)


def listen() -> None:
    """Take the signals over, from whoever took them over since.

    Ctrl-C stays ignored where it is: in a shell's background job, and in a sweep's workers,
    which the sweep itself asks to end.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        if number != signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Only take note of a first signal meanwhile; a second one ends the block where it is.

    Raises
    ------
    Stopped
        At the end of the block, if there was a signal in it that nothing asked for.
    """
    global _deferring  # noqa: PLW0603
    _deferring += 1
    try:
        yield
    finally:
        _deferring -= 1
    stop_if_asked()


def asked() -> bool:
    """Say whether a signal came that was put off."""
    return _received is not None


def stop_if_asked() -> None:
    """Raise :class:`Stopped` if a signal came that was put off."""
    global _received
    if _received is not None:
        number, _received = _received, None
        raise Stopped(number)


def _handle(number: int, frame: FrameType | None) -> None:
    global _received  # noqa: PLW0603
    del frame
    if _deferring and _received is None:
        _received = number
        if number == signal.SIGINT:
            # not through sys.stderr, which may be in the middle of a write
            text = b"\nstopping at the end of this epoch if it is near; Ctrl-C again stops now\n"
            os.write(_STDERR, text)
        return
    _received = None
    raise Stopped(number)
