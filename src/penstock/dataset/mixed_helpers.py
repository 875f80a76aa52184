"""Processes that list and fill windows for all members of a large mix."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Sequence
from typing import Final

from penstock.errors import ConfigError
from penstock.loader.ranks import Found, find_ranks
from penstock.stream.helpers import Helpers
from penstock.stream.options import Options

__all__ = ["MixHelpers", "helpers_for"]

ALONE: Final = 4
"""Members up to which each has a process of its own, that fills its window beside the others'."""
FILES: Final = 16
"""Files that a member takes in this process, about."""
_OTHER_FILES: Final = 128


class MixHelpers:
    """Those of a mix: one for each set of variables that sources are asked with, which may hold secrets."""

    def __init__(self, stack: contextlib.ExitStack, *, are_used: bool) -> None:
        self._stack, self._are_used = stack, are_used
        self._made: list[Helpers] = []

    def of(self, options: Options) -> Helpers | None:
        """Return those of a member; None where it has processes of its own."""
        if not self._are_used:
            return None
        for each in self._made:
            if each.environment == options.environment:
                return each
        made = self._stack.enter_context(Helpers(options.environment))
        self._made.append(made)
        return made

    def end_listings(self) -> None:
        """End the processes that list."""
        for each in self._made:
            each.end_listing()


def helpers_for(members: Sequence[Options], stack: contextlib.ExitStack) -> MixHelpers:
    """Return what lists and fills for the members of a mix.

    Args:
        stack: that ends them.

    Raises:
        ConfigError: this process may not open as many files as the members take.
    """
    _check_files(len(members))
    ranks = find_ranks(members[0].ranks, environ=os.environ, timeout_seconds=60)
    is_alone = ranks is None or (isinstance(ranks, Found) and ranks.ranks.local_world_size == 1)
    return MixHelpers(stack, are_used=len(members) > ALONE and is_alone)


def _check_files(number: int) -> None:
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number * FILES + _OTHER_FILES
    if allowed == resource.RLIM_INFINITY or wanted <= allowed:
        return
    if most == resource.RLIM_INFINITY or wanted <= most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
            return
    raise ConfigError(
        f"a mix of {number} datasets, which take {wanted} open files, and this process may have {most}",
        fix="mix fewer, or raise the limit of open files (`ulimit -Hn`)",
    )
