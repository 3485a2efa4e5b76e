"""python -m harness"""

from __future__ import annotations

import os
import signal
import sys
import threading

from harness.cli import main


def run() -> None:
    """Run one command, and end the process with its exit code.

    Where a thread is still at something that nobody waits for any more, prepared data or MLflow, the process ends at
    once: Python would tear the thread away, and in the middle of C++ that is an abort.
    """
    sys.unraisablehook = _heard_again
    code = main()
    sys.unraisablehook = sys.__unraisablehook__
    if any(thread.daemon and thread.name in ("preparing", "MLflow") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _heard_again(ignored: sys.UnraisableHookArgs) -> None:
    """Of what a finaliser or a collection of garbage raises Python only tells, and goes on: Ctrl-C, and SIGTERM where
    it is as Ctrl-C, come again a moment later, so that they are heard.
    """
    if ignored.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(ignored)
        return
    number = signal.SIGTERM if signal.getsignal(signal.SIGINT) == signal.SIG_IGN else signal.SIGINT
    threading.Timer(0.02, os.kill, (os.getpid(), number)).start()


if __name__ == "__main__":
    run()
