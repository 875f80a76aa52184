"""A run of training as it was asked for: what is known of it, and was checked, before anything is opened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from penstock.errors import ConfigError
from penstock.manifest.class_counts import class_counts
from penstock.manifest.listed import Listed
from penstock.recipes.objectives import Objective, first_to_learn_from
from penstock.recipes.protocols import OwnFeed
from penstock.recipes.refusing import DOMAINS
from penstock.recipes.registry import make_objective, recipe_of
from penstock.steps._shared.feeding import OpenedDataset, open_dataset
from penstock.steps._shared.outputs import check_outputs
from penstock.steps._shared.preflight import Intended, check_fit, room_of
from penstock.steps._shared.train_config import check_learning, train_config
from penstock.steps.options.train import TrainOptions
from penstock.tasks.registry import window_bytes_of
from penstock.train.checkpoint_file import Identity
from penstock.train.config import ConfigValue, TrainConfig, weights_of
from penstock.train.schedule import KnownSamples
from penstock.train.validation import check_best

__all__ = ["PlannedRun", "epoch_steps", "plan_run"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRun:
    """What is to be trained, on what.

    Attributes:
        identity: what a checkpoint must be of for the run to go on from it.
        known: samples of an epoch that are known before the first one begins.
        scheduled: of those that batches count, which are what ``known`` are unless the recipe makes others of them.
        order_options: options that decide the order beside the plan, for identity and record.
    """

    data: OpenedDataset
    config: TrainConfig
    objective: Objective
    identity: Identity
    known: KnownSamples
    scheduled: KnownSamples
    order_options: dict[str, ConfigValue]

    @property
    def to_do(self) -> tuple[int | None, Literal["samples", "steps"]]:
        """What there is to do, and in which unit: steps where they end the run, else samples of all epochs.

        None where the listing goes on.
        """
        config, most = self.config, self.config.max_steps
        # How many samples a step takes is not known where batches are made of what samples hold.
        foreseen = config.num_epochs * _steps_of(self.scheduled.number, config)
        if most is not None and self.known.are_all and most < foreseen:
            return most, "steps"
        return (config.num_epochs * self.known.number if self.known.are_all else None), "samples"


def plan_run(args: TrainOptions) -> PlannedRun:
    """Open the dataset, and look at all that the run needs.

    Raises:
        PenstockError: the listing failed, or something of the run does not fit.
    """
    data = open_dataset(args, goes_on=args.stream_listing, has_begun=args.listing_has_begun)
    first, basis = data.first, first_to_learn_from(data.listing)
    config = train_config(args, task=data.task.name, seed=first.plan.seed, batch_size=first.plan.batch_size)
    check_learning(args, task=data.task.name)
    window_bytes = window_bytes_of(data.task.name, args.window_size)
    room = room_of(args.window, window_bytes, args.prefetch, first.manifest)
    check_fit(basis, Intended(room=room, batch_size=config.batch_size, workers=args.workers, model=config.model))
    check_outputs(args.record, args.checkpoint_out, inputs=(args.manifest, args.plan))
    objective = make_objective(
        basis.info,
        regression_loss=args.loss,
        label_smoothing=args.label_smoothing,
        class_weights=_class_weights(config.class_weights, basis),
    )
    _check_evaluation(config, args, data, objective)
    _check_domains(config, basis)
    # Where the listing goes on the first epoch has an order of its own: it is another run.
    order_options: dict[str, ConfigValue] = {} if first.is_whole else {"stream-listing": True}
    identity = Identity(
        task=config.task,
        model=config.model,
        shape=first.info.shape,
        num_outputs=objective.num_outputs,
        manifest_fingerprint=first.info.fingerprint,
        plan_fingerprint=first.plan.fingerprint,
        config={**config.identity(), "loss": args.loss, **order_options},
        meaning=first.info.meaning,
    )
    known = KnownSamples(number=_epoch_samples(basis, config), are_all=first.is_whole)
    return PlannedRun(
        data=data,
        config=config,
        objective=objective,
        identity=identity,
        known=known,
        scheduled=_scheduled(basis, known),
        order_options=order_options,
    )


def _check_evaluation(config: TrainConfig, args: TrainOptions, data: OpenedDataset, objective: Objective) -> None:
    """Refuse what is asked of the validation and cannot be.

    Raises:
        ConfigError: there is no validation split to choose by, no such metric, or it comes too late.
    """
    asked = {"best": config.best, "evaluate-every": config.evaluate_every, "patience": config.patience}
    flag = next((f"--{name} {value}" for name, value in asked.items() if value is not None), None)
    if flag is None:
        return
    if args.stream_listing and config.evaluate_every is not None:
        raise ConfigError(
            f"--evaluate-every {config.evaluate_every} and --stream-listing are both given, and the validation split "
            "is known when the listing has ended",
            fix="leave one of them out",
        )
    if data.first.is_whole and not data.first.num_samples("valid"):
        raise ConfigError(
            f"{flag} is given, and there is no validation split", fix="split like --split 0.8,0.1,0.1, or leave it out"
        )
    if config.best is not None:
        check_best(config.best, task=data.task, objective=objective)


def _check_domains(config: TrainConfig, listed: Listed) -> None:
    """Refuse to adapt where there is but one domain.

    Raises:
        ConfigError: no option of the task names the other.
    """
    options = listed.info.task_options or {}
    if config.adapt == "none" or any(value and name.replace("-", "_") in DOMAINS for name, value in options.items()):
        return
    raise ConfigError(
        f"--adapt {config.adapt} is given, and the dataset was listed without a target domain",
        fix="list it with --option train-releases=R1 --option target-releases=R3, or by subjects; EEG tasks have these",
    )


def _class_weights(asked: str | None, listed: Listed) -> tuple[float, ...]:
    """Return what each class's loss counts; balanced ones have the mean 1 over all training samples.

    Raises:
        ConfigError: a class has no training sample to weigh it by.
    """
    weights = weights_of(asked)
    if weights != "balanced":
        return weights or ()
    classes = listed.info.classes
    if not classes:
        return (1.0,)  # which is refused, since there are none
    counts = class_counts(listed.manifest)
    if not counts.all():
        none = classes[int((counts == 0).argmax())]
        raise ConfigError(
            f"--class-weights balanced: no training sample is of the class {none!r}",
            fix="give a weight for each class, or split otherwise",
        )
    return tuple((counts.sum() / (len(classes) * counts)).tolist())


def epoch_steps(listed: Listed, config: TrainConfig) -> int:
    """Return the steps that an epoch of a whole listing is expected to have."""
    known = KnownSamples(number=_epoch_samples(listed, config), are_all=True)
    return _steps_of(_scheduled(listed, known).number, config)


def _steps_of(num_samples: int, config: TrainConfig) -> int:
    return math.ceil(math.ceil(num_samples / config.batch_size) / config.accumulate)


def _scheduled(listed: Listed, known: KnownSamples) -> KnownSamples:
    """Return the samples of an epoch as batches count them."""
    recipe = recipe_of(listed.info.task)
    if not isinstance(recipe, OwnFeed):
        return known
    number = recipe.expected_samples(listed.manifest, listed.info, known.number)
    return KnownSamples(number=number, are_all=known.are_all)


def _epoch_samples(listed: Listed, config: TrainConfig) -> int:
    """Return the training samples of an epoch; of a mix the mean of all epochs."""
    mixing = listed.plan.mixing
    if mixing is None:
        return listed.epoch_samples("train", is_trained=True)
    from penstock.steps._shared.mixed_stream import mean_epoch  # here: few datasets are mixes

    sizes = [sum(part.num_samples for part in each.splits if part.name == "train") for each in listed.info.members]
    return mean_epoch(mixing, sizes, num_epochs=config.num_epochs)
