"""Signals that ask a process to end."""

import os
import signal
import threading

import pytest

from grn_exp.engine import stopping
from grn_exp.engine.stopping import Stopped, asked, deferred, stop_if_asked, stoppable


@pytest.fixture(autouse=True)
def ctrl_c_counts():
    """A background job of a shell ignores Ctrl-C, and so would these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_a_signal_ends_what_is_stoppable(number):
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught, stoppable():
        send(number)
    assert caught.value.exit_code == 128 + number
    assert signal.Signals(number).name in str(caught.value)
    assert signal.getsignal(number) is before


def test_no_handler_of_failures_takes_it_for_one():
    assert not issubclass(Stopped, Exception)


def test_a_first_signal_is_put_off_and_a_second_one_is_not():
    done = []

    def work() -> None:
        with stoppable(), deferred():
            assert not asked()
            send(signal.SIGUSR1)
            assert asked()
            done.append("after the first")
            send(signal.SIGTERM)
            done.append("after the second")

    with pytest.raises(Stopped) as caught:
        work()
    assert done == ["after the first"]
    assert caught.value.signum == signal.SIGTERM
    assert not asked()


def test_what_was_put_off_comes_at_the_latest_at_the_end():
    done = []

    def work() -> None:
        with stoppable():
            with deferred():
                send(signal.SIGTERM)
                done.append("the rest of the block")
            done.append("what follows")

    with pytest.raises(Stopped, match="SIGTERM"):
        work()
    assert done == ["the rest of the block"]
    with stoppable(), deferred():
        stop_if_asked()  # nothing is left of it


def test_signals_are_taken_back_from_whoever_took_them():
    done = []

    def work() -> None:
        with stoppable():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            send(signal.SIGTERM)
            done.append("ignored")
            stopping.listen()
            send(signal.SIGTERM)

    with pytest.raises(Stopped):
        work()
    assert done == ["ignored"]


def test_ctrl_c_stays_ignored_where_it_is():
    """As in a shell's background job."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            send(signal.SIGINT)
            stopping.listen()
            send(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_only_the_main_thread_can_listen():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with stoppable(), deferred():
            stopping.listen()
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
