"""Making a manifest of what lies in a source, and of each part of it while the listing goes on."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from penstock import __version__
from penstock.observe import open_progress
from penstock.plan import decide_splits, split_by_rank
from penstock.records import ManifestInfo, ManifestParts, ManifestWriter, Sample, SkippedObject, parts_folder
from penstock.sources import ObjectSource
from penstock.steps import common
from penstock.steps.task_options import as_flags
from penstock.tasks.protocols import Limits, OptionValue, SampleSet, Task

__all__ = ["make_manifest"]

HELD_SAMPLES = 100_000
"""Most samples that ``--split-by sample`` counts, so that each split gets its very share."""
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
    on_part: Callable[[Path, ManifestInfo], None] | None = None,
) -> ManifestInfo:
    """Write the manifest of what lies in a source.

    Args:
        on_part: called with the manifest of each part that is whole while the listing goes on; None makes no parts.

    Raises:
        SourceError, DataError: it could not be listed, or not be used.
        ConfigError: it cannot be split like that.
        OutputError: it could not be written.
    """
    samples = await task.make_samples(source, limits=replace(limits, scratch=path.parent), options=options)

    def finish(writer: ManifestWriter, skipped: Sequence[SkippedObject] = ()) -> ManifestInfo:
        return writer.finish(
            task=task.name,
            task_options=as_flags(options),
            source=source.spec,
            seed=seed,
            shape=samples.shape,
            classes=samples.classes,
            skipped=skipped,
            created_at=common.now(),
            created_by=f"penstock {__version__}",
        )

    with contextlib.ExitStack() as stack:
        # What a killed process leaves of its scratch goes with the parts.
        folder = parts_folder(path) if on_part is not None else None
        writer = stack.enter_context(ManifestWriter(path, scratch=folder))
        parts = ManifestParts(folder, finish=finish, on_part=on_part) if folder and on_part else None
        adds = [writer.add, *([stack.enter_context(parts).add] if parts is not None else [])]
        stage = stack.enter_context(open_progress().stage("list", None, "samples"))
        num_new = 0
        counted = on_part is None
        async for sample, split in _with_splits(
            samples, fractions=fractions, by_sample=by_sample, seed=seed, counted=counted
        ):
            for add in adds:
                add(sample, split=split)
            num_new += 1
            if num_new == PROGRESS_SAMPLES:
                stage.advance(num_new)
                num_new = 0
        stage.advance(num_new)
        if parts is not None:
            parts.finish()
        return finish(writer, samples.skipped)


async def _with_splits(
    samples: SampleSet, *, fractions: Sequence[float], by_sample: bool, seed: int, counted: bool
) -> AsyncIterator[tuple[Sample, str]]:
    """Give each sample its split; ``counted`` may wait until groups are known, for each split's very share."""
    if not by_sample:
        if samples.groups is None:
            rule = split_by_rank(fractions=fractions, seed=seed)
        else:
            rule = decide_splits(samples.groups, fractions=fractions, seed=seed)
        async for sample in samples.rows:
            yield sample, rule(sample.group)
        return
    held: list[Sample] = []
    if counted:
        async for sample in samples.rows:
            held.append(sample)
            if len(held) == HELD_SAMPLES:
                break
    if counted and len(held) < HELD_SAMPLES:
        rule = decide_splits([sample.key for sample in held], fractions=fractions, seed=seed)
    else:
        rule = split_by_rank(fractions=fractions, seed=seed)
    for sample in held:
        yield sample, rule(sample.key)
    held.clear()
    async for sample in samples.rows:
        yield sample, rule(sample.key)
