"""The kinds of runs of OptLab, for workers whose trainings save their state after every few steps instead of every
fifteen seconds: `--kinds tests.chaos.saving_often:KINDS`."""

from __future__ import annotations

from optlab.jobs.registry import KINDS
from optlab.models import training_checkpoint

EVERY_S = 0.05

training_checkpoint.SHARE_OF_TIME = 0.5
training_checkpoint.TrainingCheckpoint.__init__.__defaults__ = (EVERY_S,)

__all__ = ["KINDS"]
