"""Tuning on dev: one Optuna study an arm, all with the same budget. The only room that imports optuna."""

from harness.tuning.arms import Arm, arms_of
from harness.tuning.rounds import narrowed, tune
from harness.tuning.storage import storage_of
from harness.tuning.study import Study

__all__ = ["Arm", "Study", "arms_of", "narrowed", "storage_of", "tune"]
