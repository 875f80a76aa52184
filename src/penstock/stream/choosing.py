"""What of a listing is taken, and how it is split, where functions of keys or a column say so.

The listing is another process, which a function need not reach: what it found is gone through once more here.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.errors import ConfigError, EmptyListing
from penstock.loader.failures import noting
from penstock.manifest import NOT_WANTED, SPLITS, Extent, ManifestInfo, ManifestReader, ManifestWriter, SkippedObject
from penstock.manifest.classes import parts_of
from penstock.manifest.listed import Listed
from penstock.plan import SplitRule, nearest_seed, split_rule
from penstock.stream.checks import shown
from penstock.tasks.indexing import some_samples
from penstock.tasks.registry import get_task, usual_options
from penstock.texts import counted

if TYPE_CHECKING:
    from penstock.stream.choice import Choice
    from penstock.stream.options import Data

__all__ = ["chosen"]

CACHED_GROUPS = 1 << 16
COUNTED_GROUPS = 10_000
"""Most groups whose names are held; of more, no part with a fraction worth naming stays empty."""


def chosen(listed: Listed, data: Data, path: Path) -> Listed:
    """Return what is taken of a listing, split; it is written to ``path``.

    Raises:
        EmptyListing: nothing is taken.
        ConfigError: a part that was asked for stays empty, or the group that a function gives is no text.
    """
    choice = data.choice
    if choice.is_empty:
        return listed
    rule = split_rule(fractions=data.fractions, seed=data.split_seed or 0) if choice.splits else None
    groups = _Groups(rule)
    found, num_others, example = Counter[str](), 0, ""
    with ManifestReader(listed.manifest) as reader, ManifestWriter(path) as writer:
        info = reader.info
        for part in info.splits:
            for extent in reader.rows(part.name) if part.num_samples else ():
                keys = extent.keys or (extent.key,)
                numbers = [n for n, key in enumerate(keys) if all(_ask("where", fits, key) for fits in choice.fits)]
                if len(numbers) < len(keys):
                    num_others += len(keys) - len(numbers)
                    example = example or keys[min(set(range(len(keys))) - set(numbers))]
                    if not numbers:
                        continue
                    extent = some_samples(extent, numbers)
                for split, taken in _split(extent, part.name, choice, groups):
                    writer.add(taken, split=split)
                    found[split] += taken.num_samples
        if not found:
            raise EmptyListing(
                f"none of {counted(num_others, 'key')} is taken by where, {example} for one",
                fix="take others with where(...)",
            )
        if rule is not None:
            groups.check(rule, data.fractions, found)
        new = _finish(writer, info, num_others, fractions=data.fractions if rule is not None else None)
    plan = msgspec.structs.replace(listed.plan, manifest_fingerprint=new.fingerprint)
    return Listed(manifest=path, info=new, plan=plan)


class _Groups:
    """The splits of groups, and the names of the first of them."""

    def __init__(self, rule: SplitRule | None) -> None:
        self._rule = rule
        self._names: set[str] = set()
        self.split_of = functools.lru_cache(maxsize=CACHED_GROUPS)(self._split_of)

    def _split_of(self, group: str) -> str:
        assert self._rule is not None
        if len(self._names) < COUNTED_GROUPS:
            self._names.add(group)
        return self._rule(group)

    def check(self, rule: SplitRule, fractions: tuple[float, float, float], found: Counter[str]) -> None:
        """Refuse a part that stays empty."""
        empty = [name for name in rule.names if not found[name]]
        if not empty:
            return
        one = f", the group {next(iter(self._names))!r}" if len(self._names) == 1 else ""
        seed = nearest_seed(
            lambda other: {other(name) for name in self._names} == set(other.names), fractions=fractions, seed=rule.seed
        )
        raise ConfigError(
            f"no sample falls into the part{'s' if len(empty) > 1 else ''} {' and '.join(empty)}: there are "
            f"{counted(found.total(), 'sample')} of {counted(len(self._names), 'group')}{one}, each of which falls "
            "into one part whole",
            fix=("" if seed is None else f"seed={seed} will do; or ")
            + "split by something that has more groups, or give larger shares, with split(...)",
        )


def _finish(
    writer: ManifestWriter, info: ManifestInfo, num_others: int, *, fractions: Sequence[float] | None
) -> ManifestInfo:
    """Write what is told of what was taken; ``fractions`` are those that it was split by, None where it was not."""
    others = SkippedObject(object=counted(num_others, "key"), reason=NOT_WANTED, count=num_others)
    return writer.finish(
        task=info.task,
        task_options=info.task_options,
        source=info.source,
        seed=info.seed,
        shape=info.shape,
        classes=info.classes,
        skipped=(*info.skipped, *((others,) if num_others else ())),
        created_at=info.created_at,
        created_by=info.created_by,
        fractions=info.fractions if fractions is None else fractions,
        split_by=info.split_by if fractions is None else "group",
        notes=info.notes,
        values_sha256=info.values,
        transform=info.transform,
        usual=usual_options(get_task(info.task)),
        storage_classes=parts_of(info.storage_classes, *writer.object_totals()),
    )


def _ask(name: str, function: Callable[[str], Any], key: str) -> Any:
    with noting(f"penstock: {name} of {key!r}"):
        return function(key)


def _split(extent: Extent, split: str, choice: Choice, groups: _Groups) -> Iterator[tuple[str, Extent]]:
    """Return the parts of an extent, each with its split."""
    if not choice.splits:
        yield split, extent
    elif choice.group is not None:
        names = tuple(_group_of(key, choice, choice.group) for key in extent.keys or (extent.key,))
        if extent.keys:
            yield from _cut(msgspec.structs.replace(extent, groups=names), groups)
        else:
            yield groups.split_of(names[0]), msgspec.structs.replace(extent, group=names[0], groups=())
    else:
        yield from _cut(extent, groups)


def _group_of(key: str, choice: Choice, group: Callable[[str], Any]) -> str:
    found = _ask(choice.group_name, group, key)
    if not isinstance(found, str):
        raise ConfigError(
            f"{choice.group_name} gave {shown(found)} for {key!r}", fix="give a function of a key that gives text"
        )
    if not _is_unicode(found):
        raise ConfigError(
            f"{choice.group_name} gave {shown(found)} for {key!r}, which is no Unicode text (it has half a surrogate "
            "pair)",
            fix='give text that UTF-8 can write, like text.encode("utf-8", "replace").decode()',
        )
    return found


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cut(extent: Extent, groups: _Groups) -> Iterator[tuple[str, Extent]]:
    """Cut an extent by the splits that its samples' groups fall into; ``args`` then say which of them are taken.

    One whose samples are of one group tells it once, and is not cut.
    """
    if not extent.groups:
        yield groups.split_of(extent.group), extent
        return
    splits = [groups.split_of(group) for group in extent.groups]
    for split in SPLITS:
        numbers = [number for number, name in enumerate(splits) if name == split]
        if numbers:
            # Groups are not kept of each, since those of a split stay whole by now.
            yield split, msgspec.structs.replace(some_samples(extent, numbers), groups=())
