"""A job in stages: the same training on more and more of a dataset, each begun with the weights of the one before.

Each stage is a whole job in a folder of its own (``stage-01``, ``stage-02`` ...), with its manifest, checkpoints (which
hold all that its training needs to go on), evaluation and report. All are scored on the same images, so they can be
compared. Run again, stages that are done are not done again, and one that was stopped goes on in its middle. A stage
that fails ends the run: no later one is begun.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError, PenstockError
from penstock.observe.labels import metric_text
from penstock.records import Evaluation, RunRecord, read_record
from penstock.steps._shared.job_files import JobFiles
from penstock.steps.options.run import JobOptions
from penstock.tasks.registry import get_task
from penstock.texts import columns_of

__all__ = ["Stage", "run_stages", "stages_of"]

_ARCHIVES, _SHARE = "train_archives", "train_share"
"""Options of a task that say what is trained on, and leave alone what is scored on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What one stage trains on.

    Attributes:
        name: as it was asked for.
        option: of the task, as ``--option`` takes it.
    """

    name: str
    option: str


def stages_of(text: str, *, task: str) -> tuple[Stage, ...]:
    """Return the stages of text: archives, of which each stage takes one more, or growing shares of what is trained on.

    Raises:
        ConfigError: they are neither, or the task has no such options.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(
            f"--stages {text!r} is no list of two or more different stages",
            fix="write archives like images_001,images_002, or shares like 0.1,0.5,1",
        )
    shares = [_share(name) for name in names]
    known = {option.name for option in get_task(task).options}
    if not {_ARCHIVES, _SHARE} <= known:
        raise ConfigError(
            f"the task {task!r} cannot be trained in stages: it has no options train-archives and train-share",
            fix="leave --stages out",
        )
    if not any(share is not None for share in shares):
        return tuple(
            Stage(name=name, option=f"train-archives={','.join(names[: number + 1])}")
            for number, name in enumerate(names)
        )
    growing = [share for share in shares if share is not None]
    if len(growing) < len(names) or growing != sorted(growing) or not 0 < growing[0] <= growing[-1] <= 1:
        raise ConfigError(
            f"--stages {text!r} are no growing shares above 0 and up to 1", fix="write them like 0.1,0.5,1"
        )
    return tuple(Stage(name=name, option=f"train-share={share:g}") for name, share in zip(names, growing, strict=True))


def _share(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None


def run_stages(args: JobOptions, run: Callable[[JobOptions], int]) -> int:
    """Run what is left of each stage, in order.

    Args:
        run: does a job.

    Raises:
        ConfigError: they cannot be run.
        PenstockError: of the stage that failed; later ones are not begun.
    """
    if args.dataset:
        raise ConfigError("--stages beside --dataset", fix="name the source and the task with --source and --task")
    stages = stages_of(args.stages, task=args.task)
    if given := [word for word in args.option if word.partition("=")[0].replace("-", "_") in (_ARCHIVES, _SHARE)]:
        raise ConfigError(
            f"--stages beside --option {given[0]}", fix="leave one of them out: stages say what is trained on"
        )
    folders = [args.out.absolute() / f"stage-{number:02}" for number in range(1, len(stages) + 1)]
    before: str | None = args.init_from
    for number, (stage, folder) in enumerate(zip(stages, folders, strict=True), 1):
        where = f"stage {number} of {len(stages)}, {stage.name}"
        sys.stderr.write(f"penstock run: {where}, in {folder}\n")
        try:
            run(args.but(stages="", out=folder, option=(*args.option, stage.option), init_from=before))
        except PenstockError:
            if number < len(stages):
                sys.stderr.write(f"penstock run: {where} did not end well; later ones are not begun\n")
            raise
        before = str(JobFiles(folder).checkpoints)
    sys.stdout.write(_told(stages, folders))
    return 0


def _told(stages: tuple[Stage, ...], folders: list[Path]) -> str:
    """Say what each stage came to, on the same samples."""
    rows = []
    for stage, folder in zip(stages, folders, strict=True):
        files = JobFiles(folder)
        record, found = read_record(files.run_record, RunRecord), read_record(files.metrics, Evaluation)
        score = metric_text(found.metrics.get(found.score))
        rows.append((stage.name, f"{record.num_trained_samples:,}", f"{found.score} {score}", str(files.html)))
    header = ("stage", "samples trained on", "test score", "report")
    return columns_of([header, *rows])
