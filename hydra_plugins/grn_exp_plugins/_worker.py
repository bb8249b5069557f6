"""What happens in a worker of ``hydra/launcher=joblib``.

Not in the launcher's own file: Hydra runs that once more when it looks for plugins, so what is
defined there is another thing here than in the process that hands it over.
"""

import os
import signal
import threading
import time
from collections.abc import Sequence

from hydra_plugins.grn_exp_plugins._jobs import Ended, Sweep, execute

SECONDS_TO_STOP = 30.0

_idle = threading.Event()
_idle.set()


def do(sweep: Sweep, number: int, overrides: Sequence[str]) -> Ended:
    """Do a job."""
    _idle.clear()
    try:
        return execute(sweep, number, overrides)
    finally:
        _idle.set()


def end_with(parent: int) -> None:
    """Make this process end when its sweep's does, however that ends; its run saves first.

    A terminal sends Ctrl-C to the sweep and to its workers; only the sweep answers it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)
        _idle.wait(SECONDS_TO_STOP)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
