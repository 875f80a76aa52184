"""Classes of storage of what is listed: what lies in each, and what is archived and cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from penstock.errors import ObjectUnreadable
from penstock.manifest import ManifestInfo, ObjectClasses
from penstock.sources import ObjectSource, find_scheme, held_told

__all__ = ["archived_notes", "held_in", "seen_classes"]


@contextlib.contextmanager
def seen_classes(source: ObjectSource, scratch: Path) -> Iterator[None]:
    """Take note of the classes of a source's objects as it is listed.

    Args:
        scratch: folder for what does not fit in memory.

    Raises:
        ObjectUnreadable: of an archived object, which tells then how many others there are.
    """
    with contextlib.closing(ObjectClasses(scratch)) as classes:
        source.classes = classes
        try:
            yield
        except ObjectUnreadable as error:
            if not classes.has_archived or "is archived" not in error.what:
                raise
            leave = "and wait until that is done, or leave them out: --on-bad-object skip"
            raise ObjectUnreadable(
                f"{error.what}; of what was listed, {classes.archived_told()}",
                fix=". ".join([f"{source.restoring} {leave}", *_restores_told(source, classes)]),
                about=error.about,
            ) from error
        finally:
            source.classes = None


def archived_notes(source: ObjectSource) -> list[str]:
    """Say what was left out since it is archived, and what to do."""
    if source.classes is None or not source.classes.has_archived:
        return []
    told = f"of what was listed, {source.classes.archived_told()}"
    again = f"{told}: to have it too, {source.restoring}, wait until that is done, and list again"
    return [again, *_restores_told(source, source.classes)]


def _restores_told(source: ObjectSource, classes: ObjectClasses) -> list[str]:
    """Say what restoring what is archived costs and takes, where that is known."""
    from penstock.cost.prices import load_prices  # here: most listings do without
    from penstock.cost.restoring import restores_told

    _, tariff = find_scheme(source.spec.uri).charged(source.spec)
    return restores_told(classes.archived_sizes(), tariff, load_prices(), region=source.spec.text("region"))


def held_in(info: ManifestInfo) -> list[str]:
    """Say what of a listing lies in which class of storage, and what reading it costs beside requests."""
    sizes, (_, tariff) = info.storage_classes, find_scheme(info.source.uri).charged(info.source)
    if not sizes or tariff is None or not any(map(tariff.retrieval_of, sizes)):
        return [held_told(sizes)] if sizes else []
    from penstock.cost.prices import load_prices  # here: most listings do without
    from penstock.cost.storage_classes import classes_told

    region = info.source.text("region")
    return [held_told(sizes), *classes_told(sizes, tariff, load_prices(), region=region)]
