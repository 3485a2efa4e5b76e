"""What every worker process does when it starts: torch is loaded, one thread each, and Ctrl-C is the parent's matter.

A worker of a cluster is started with it too: ``dask worker ADDRESS --nthreads 1 --preload harness.scheduler.worker``.
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""glibc's numbers of them (malloc.h)."""

KEPT = {M_MMAP_THRESHOLD: 32 << 20, M_TRIM_THRESHOLD: 256 << 20}
"""Bytes: 32 MiB is the largest threshold that glibc takes."""


def dask_setup(worker: Any) -> None:
    """Called by Dask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells the whole group; the parent decides what it means
    os.dup2(2, 1)  # what a plugin prints is no part of the parent's table
    torch.set_num_threads(1)
    _keep_memory()


def _keep_memory() -> None:
    """Keep what one batch frees for the next one.

    Dask sets MALLOC_TRIM_THRESHOLD_ to 64 KiB, by which glibc returns every tensor's memory to the system, and getting
    it anew took as long as the training itself.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # only glibc has it
        for option, size in KEPT.items():
            mallopt(option, size)
