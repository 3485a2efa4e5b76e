"""The trials of a grid's tuning, a run each, in an experiment of its own, so that they don't drown the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from harness.tracked import DIGEST, TRIAL, shown_trial
from harness.tracking.runs import Counts
from harness.tracking.store import open_tuning, told


def sync_trials(uri: str, tuned: Mapping[str, Any]) -> Counts:
    """Make the experiment of a tuned grid's tuning show its trials and no others; how many were written, removed
    because the grid no longer knows them, and left alone.

    `tuned` is what the resolved grid says of its tuning, with trials. Raises HarnessError where the store can't be
    used.
    """
    wanted = {}
    for arm in tuned["trials"]:
        for trial in arm["trials"]:
            content = shown_trial(arm, trial)
            wanted[content.name] = content, trial
    store = open_tuning(uri, tuned)
    kept, others = set[str](), []
    with told(uri):
        for run in (run for page in store.pages() for run in page):
            name = run.data.tags.get(TRIAL)
            if name in wanted and name not in kept and run.data.tags.get(DIGEST) == wanted[name][0].digest:
                kept.add(name)
            elif name is not None:
                others.append(run)
        for run in others:  # now that all are read: a deletion moves the pages
            store.client.delete_run(run.info.run_id)
        for name, (content, trial) in wanted.items():
            if name not in kept:
                ended = 1000 * datetime.fromisoformat(trial["ended"]).timestamp()
                store.make(content, round(ended - 1000 * trial["seconds"]), round(ended))
    removed = {run.data.tags[TRIAL] for run in others} - wanted.keys()
    return Counts(len(wanted) - len(kept), len(removed), len(kept))
