"""What tasks refuse alike: limits of a listing that mean nothing to them, and objects whose bytes cannot be had."""

from __future__ import annotations

from penstock.errors import ConfigError, ObjectUnreadable
from penstock.sources import ObjectInfo
from penstock.tasks.protocols import Limits

__all__ = ["refuse_early", "refuse_releases", "unreadable"]


def refuse_releases(limits: Limits, has_none: str, *, instead: str = "") -> None:
    """Refuse releases of what has none.

    Args:
        has_none: says so, like ``images have no releases``.
        instead: what to choose by.

    Raises:
        ConfigError: some are asked for.
    """
    if limits.releases or limits.mini:
        raise ConfigError(has_none, fix=f"leave --release and --mini out{instead}")


def refuse_early(limits: Limits, why: str, *, gain: str = ": it would gain nothing") -> None:
    """Refuse samples before the listing has ended.

    Args:
        why: none can be given then.

    Raises:
        ConfigError: they are asked for.
    """
    if limits.early:
        raise ConfigError(why, fix=f"leave --stream-listing out{gain}")


def unreadable(info: ObjectInfo) -> ObjectUnreadable:
    """Return the error of an object whose bytes cannot be had."""
    return ObjectUnreadable(
        f"{info.key} {info.trouble}",
        fix="make it one that can be read, as by restoring it, or leave it out: --on-bad-object skip",
        about=info.key,
    )
