"""MLflow, derived from the records: an experiment for a grid, a parent run for a cell, a child run for a replicate.

Beside them a run for an arm, which MLflow draws as a learning curve, and one that carries the files of the results.
The trials of a grid's tuning have an experiment of their own.
Nothing here is true by itself: delete the database, `sync`, and the same tables are back. Every run carries a digest
of what it shows, written last, so that one search finds what is missing, changed or half-written, and the rest is left
alone. MLflow takes no parameter and no metric back: a run that must lose one is deleted and made anew. Scores are
in percent.
"""

import logging
import os

# MLflow reads these from the environment, some of them while it is imported, which is below. What a person has set
# stays, and no other variable is written: other threads are about.
os.environ.update(
    {
        name: value
        for name, value in {
            "MLFLOW_DISABLE_TELEMETRY": "true",  # what a person measures is not reported to anyone
            "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what goes wrong is raised here and told once, without tracebacks
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # of seven: minutes until a server that is not there is told
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # the server's own queue of jobs, of no use here
        }.items()
        if name not in os.environ
    }
)

from harness.tracking.results import attach
from harness.tracking.runs import Counts, Tracker, sync
from harness.tracking.store import check, create, leaderboards
from harness.tracking.trials import sync_trials

logging.getLogger("urllib3").setLevel(logging.ERROR)  # it announces each retry

__all__ = ["Counts", "Tracker", "attach", "check", "create", "leaderboards", "sync", "sync_trials"]
