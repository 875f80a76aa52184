"""Making a manifest of what lies in a source, and of each part of it while the listing goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from penstock import __version__
from penstock.manifest import (
    SPLITS,
    ManifestInfo,
    ManifestParts,
    ManifestWriter,
    ObjectClasses,
    SkippedObject,
    parts_folder,
)
from penstock.manifest.parts import FIRST_PART_SAMPLES
from penstock.observe import open_progress
from penstock.plan import left_to_cut, split_rule
from penstock.sources import ObjectSource
from penstock.steps._shared import common
from penstock.steps._shared.listed_classes import archived_notes
from penstock.steps._shared.manifest_checks import ManifestChecks
from penstock.steps._shared.task_options import as_flags
from penstock.tasks.protocols import Limits, OptionValue, OwnSplits, Splitting, Task
from penstock.tasks.registry import usual_options

__all__ = ["make_manifest"]

PROGRESS_SAMPLES = 100


async def make_manifest(
    source: ObjectSource,
    task: Task,
    *,
    path: Path,
    limits: Limits,
    options: Mapping[str, OptionValue],
    fractions: Sequence[float],
    by_sample: bool,
    seed: int,
    transform: str = "",
    told_options: Mapping[str, OptionValue] | None = None,
    on_part: Callable[[Path, ManifestInfo], None] | None = None,
    first_part_samples: int = FIRST_PART_SAMPLES,
) -> ManifestInfo:
    """Write the manifest of what lies in a source.

    Args:
        told_options: what the manifest says of options; None is those that it was listed with.
        transform: that the samples go through, like ``package.module:name``.
        on_part: called with the manifest of each part that is whole while the listing goes on; None makes no parts.
        first_part_samples: samples of the first part.

    Raises:
        SourceError, DataError: it could not be listed, or not be used.
        ConfigError: it cannot be split like that, or a split stays empty.
        MissingLabel: there is nothing to learn in it.
        OutputError: it could not be written.
    """
    split_rule(fractions=fractions, seed=seed)  # before anything is listed
    splitting = Splitting(fractions=tuple(fractions), seed=seed, by_sample=by_sample)
    samples = await task.make_samples(
        source, limits=replace(limits, scratch=path.parent, splitting=splitting), options=options
    )

    own = samples.own_splits
    checks = ManifestChecks(
        split_rule(fractions=fractions if own is None else left_to_cut(fractions, own.names), seed=seed),
        fractions=fractions,
        by_sample=by_sample,
        classes=samples.classes,
        score=task.score,
        own=own,
        cut=samples.split_of,
    )

    def finish(
        writer: ManifestWriter,
        skipped: Sequence[SkippedObject] = (),
        notes: Sequence[str] = (),
        *,
        storage_classes: ObjectClasses | None = None,
    ) -> ManifestInfo:
        return writer.finish(
            task=task.name,
            task_options=as_flags(options if told_options is None else told_options),
            source=source.spec,
            seed=seed,
            shape=samples.shape,
            classes=samples.classes,
            skipped=skipped,
            created_at=common.now(),
            created_by=f"penstock {__version__}",
            fractions=fractions if own is None else (),
            split_by="sample" if by_sample else "group",
            notes=notes,
            values=samples.values,
            transform=transform,
            usual=usual_options(task),
            storage_classes=storage_classes,
        )

    with contextlib.ExitStack() as stack:
        # What a killed process leaves of its scratch goes with the parts.
        folder = parts_folder(path) if on_part is not None else None
        writer = stack.enter_context(ManifestWriter(path, scratch=folder))
        parts = (
            ManifestParts(folder, finish=finish, on_part=on_part, first_part_samples=first_part_samples)
            if folder and on_part
            else None
        )
        adds = [writer.add, *([stack.enter_context(parts).add] if parts is not None else [])]
        stage = stack.enter_context(open_progress().stage("list", None, "samples"))
        num_new = 0
        async for extent in samples.rows:
            split = checks.split(extent)
            for add in adds:
                add(extent, split=split)
            num_new += extent.num_samples
            if num_new >= PROGRESS_SAMPLES:
                stage.advance(num_new)
                num_new = 0
        stage.advance(num_new)
        notes = (
            *source.notes(),
            *archived_notes(source),
            *samples.notes,
            *_own_notes(fractions, own),
            *checks.finish(),
        )
        if parts is not None:
            parts.finish()
        return finish(writer, samples.skipped, notes, storage_classes=source.classes)


def _own_notes(fractions: Sequence[float], own: OwnSplits | None) -> list[str]:
    if own is None:
        return []
    names = ", ".join(name for name in SPLITS if name in own.names)
    cut = [name for name, part in zip(SPLITS, fractions, strict=True) if part and name not in own.names]
    told = f"; cut out of its train split: {', '.join(cut)}" if cut else ""
    return [f"the dataset's own splits: {names}{told}"]
