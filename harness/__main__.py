"""python -m harness"""

from __future__ import annotations

import os
import sys
import threading

from harness.cli import main


def run() -> None:
    """Run one command, and end the process with its exit code.

    Where a thread is still at something that nobody waits for any more, prepared data or MLflow, the process ends at
    once: Python would tear the thread away, and in the middle of C++ that is an abort.
    """
    code = main()
    if any(thread.daemon and thread.name in ("preparing", "MLflow") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    run()
