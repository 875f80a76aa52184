"""The training loop: epochs, steps, validation, checkpoints.

A run that is killed at any moment and started again goes on from its last checkpoint and ends with the
same weights, losses and metrics, bit for bit, as one that was never disturbed (on one kind of CPU with one
number of threads). Time spent after the last checkpoint before a SIGKILL is in ``wall_seconds`` of the attempts after
it as far as their log knows of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import nn

from penstock.loader.protocols import BatchLoader
from penstock.manifest.trained_on import TrainedOn
from penstock.observe.attempts import AttemptLog
from penstock.recipes.objectives import Objective
from penstock.recipes.protocols import Recipe
from penstock.records import Meters
from penstock.tasks.protocols import Task
from penstock.train.attempt import Attempt
from penstock.train.checkpoint import Checkpoints
from penstock.train.checkpoint_file import Identity
from penstock.train.config import TrainConfig
from penstock.train.device import describe_host
from penstock.train.limits import Books, NoBooks
from penstock.train.progress import Progress, Unwatched
from penstock.train.result import TrainResult
from penstock.train.schedule import KnownSamples
from penstock.train.signals import StopAsked, StopRequest
from penstock.train.spent import STEP, Spent
from penstock.train.stepper import Stepper
from penstock.train.validation import Validation
from penstock.window.look import WindowLook

__all__ = ["train"]


def train(
    config: TrainConfig,
    *,
    task: Task,
    objective: Objective,
    model: nn.Module,
    train_loader: BatchLoader,
    valid_loader: BatchLoader | None,
    checkpoints: Checkpoints,
    identity: Identity,
    progress: Progress | None = None,
    on_end: Callable[[TrainResult], None] = lambda result: None,
    on_save: Callable[[TrainResult], None] = lambda result: None,
    started_seconds: float | None = None,
    known: KnownSamples | None = None,
    trained_on: Callable[[], TrainedOn] | None = None,
    own_traffic: Callable[[], dict[str, Meters]] = dict,
    recipe: Recipe | None = None,
    initialise: Callable[[nn.Module], None] | None = None,
    books: Books | None = None,
    warn: Callable[[str], None] = lambda text: None,
    look: Callable[[], WindowLook | None] = lambda: None,
    attempts: AttemptLog | None = None,
) -> TrainResult:
    """Train a network, going on from the last checkpoint if there is one.

    Call ``seed_everything(config.seed)`` before the network is built. A run that has already ended returns
    its result again without a step. The network ends with the last step's weights; those of the best epoch
    are in the checkpoints. The loaders are not closed.

    Args:
        config: how to train.
        task: scores the validation.
        objective: of the task on this manifest.
        model: with fresh weights.
        train_loader: batches of the training split.
        valid_loader: batches of the validation split; without one, or any in it, each epoch counts as the best so far.
        checkpoints: where the run is saved.
        identity: what the run is; a checkpoint of another is refused.
        progress: is told of steps and epochs.
        on_end: is given the result once, when the run ends, also when an error ends it.
        on_save: is given the result up to each checkpoint that is saved: what is left of a run that is then killed.
        started_seconds: ``time.monotonic()`` at the start of this attempt, None takes now.
        known: samples of an epoch that are known before the first one begins; None: all, as the loader tells them.
        trained_on: describes the training split, for whoever uses the best weights; asked after the first epoch.
        own_traffic: gives what was requested otherwise than by the loaders, by the ids that it is counted under.
        recipe: that the network is of.
        books: what the run may spend, and prices; None prices nothing.
        warn: is told once that most of a limit is spent.
        look: looks at the windows that are read through, once a second, in another thread.
        attempts: this one and those before it; None knows those that the last checkpoint does.
        initialise: puts other weights into the network where the run begins, and not where it goes on.

    Raises:
        CheckpointCorrupt, CheckpointMismatch: the last checkpoint cannot be used; ``on_end`` is not called.
        OutputError: a checkpoint could not be written; for the first one, at the start, ``on_end`` is not called.
        Interrupted: SIGTERM or SIGINT came; a checkpoint was saved.
        TimeSpent, BudgetSpent: a limit is reached; a checkpoint was saved.
        TrainingDiverged: the loss or the gradient is not finite.
        PenstockError: the data failed.
    """
    stepper = Stepper(config, model=model, objective=objective, recipe=recipe)
    attempt = Attempt(
        config,
        task=task,
        stepper=stepper,
        train_loader=train_loader,
        valid=None if valid_loader is None else Validation(task=task, objective=objective, loader=valid_loader),
        checkpoints=checkpoints,
        identity=identity,
        progress=progress or Unwatched(),
        spent=Spent(
            started_seconds=time.monotonic() if started_seconds is None else started_seconds,
            loaders=[train_loader] + ([valid_loader] if valid_loader is not None else []),
            own_traffic=own_traffic,
            look=look,
            device=stepper.device,
            attempts=attempts or AttemptLog(STEP, host=describe_host(stepper.device)),
        ),
        known=known,
        on_save=on_save,
        trained_on=trained_on,
        initialise=initialise,
        books=books or NoBooks(),
        warn=warn,
    )
    attempt.begin()
    stop = StopRequest()
    try:
        with stop:
            try:
                attempt.run(stop)
            except BaseException as error:
                on_end(attempt.result(error))
                raise
            result = attempt.result(None)
            on_end(result)
            return result
    except StopAsked:  # on the way into the block or out of it
        raise attempt.interrupted(stop) from None
