"""What every worker process does when it starts: torch is loaded, one thread each, and Ctrl-C is the parent's matter.

A worker of a cluster is started with it too: ``dask worker ADDRESS --nthreads 1 --preload harness.scheduler.worker``.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import torch


def dask_setup(worker: Any) -> None:
    """Called by Dask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells the whole group; the parent decides what it means
    os.dup2(2, 1)  # what a plugin prints is no part of the parent's table
    torch.set_num_threads(1)
