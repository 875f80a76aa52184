"""Manifests that are kept in a folder, and taken instead of listing again while they are fresh.

A manifest's name is the SHA-256 of what was asked for: source, task, options, match, split, and the version of
manifests. It is fresh for some hours; what was added since is not seen, and what changed since is refused when it is
fetched, since requests name the version that was listed. Such an error forgets the manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from penstock.errors import ObjectNotFound, PenstockError, RecordError, SourceChanged, map_os_error
from penstock.files import atomic_path
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.manifest.listed import Listed
from penstock.options.plan import ShuffleOptions
from penstock.plan import make_plan

__all__ = ["CachedManifest", "listed_again"]

MOST_KEPT = 64
"""Manifests of a folder; those that were used longest ago go first."""
_BEGINNING = "penstock-manifest-"
_DIGITS = 40
_NAME = re.compile(rf"{_BEGINNING}[0-9a-f]{{{_DIGITS}}}\.parquet")
"""Of a manifest; whatever else lies in the folder is not ours."""

_log = logging.getLogger(__name__)


class CachedManifest:
    """The manifest of what is asked for, in a folder of such manifests.

    Args:
        folder: made where there is none; its parent is there.
        asked: words that tell one listing from another.
        hours: how long one is fresh.
    """

    def __init__(self, folder: Path, asked: Sequence[str], *, hours: float) -> None:
        text = "\n".join((str(ManifestInfo.version), *asked))
        digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
        self.path = folder / f"{_BEGINNING}{digest[:_DIGITS]}.parquet"
        self._seconds = hours * 3600
        self._created_at = ""

    def take(self, into: Path) -> Path | None:
        """Return the manifest, as a file of one's own, that no other process changes; None where none is fresh."""
        try:
            _link(self.path, into)
            with ManifestReader(into) as reader:
                self._created_at = reader.info.created_at
            made = datetime.fromisoformat(self._created_at)
            age_seconds = (datetime.now(UTC) - made.astimezone(UTC)).total_seconds()
        except FileNotFoundError:
            return None
        except (OSError, RecordError, ValueError) as error:
            _log.warning("listing.kept path=%s is not used: %s", self.path, error)
            age_seconds = self._seconds
        if not 0 <= age_seconds < self._seconds:
            into.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(self.path)
        return into

    def keep(self, manifest: Path) -> None:
        """Put a manifest into the folder, and remove what was used longest ago of too many.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self.path.parent.mkdir(exist_ok=True)
            with atomic_path(self.path) as temporary:
                shutil.copyfile(manifest, temporary)
            found = sorted((path for path in self.path.parent.iterdir() if _is_ours(path)), key=_used_at)
        except OSError as error:
            raise map_os_error(error, str(self.path)) from error
        for old in found[:-MOST_KEPT]:
            old.unlink(missing_ok=True)

    def forget(self, error: BaseException) -> None:
        """Remove the manifest where an error shows that it is no longer what is there, and say so."""
        if isinstance(error, SourceChanged | ObjectNotFound) and isinstance(error, PenstockError):
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
            when = f", which was made {self._created_at}" if self._created_at else ""
            error.fix = f"open it again, to list again: the manifest that was kept{when}, is forgotten"


def listed_again(manifest: Path, shuffle: ShuffleOptions, *, seed: int, num_lanes: int) -> Listed:
    """Return a manifest that was kept, as a listing gives it."""
    with ManifestReader(manifest) as reader:
        info = reader.info
    return Listed(manifest=manifest, info=info, plan=make_plan(info, shuffle, seed=seed, num_lanes=num_lanes))


def _is_ours(path: Path) -> bool:
    return _NAME.fullmatch(path.name) is not None and path.is_file() and not path.is_symlink()


def _link(path: Path, into: Path) -> None:
    try:
        os.link(path, into)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(path, into)


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
