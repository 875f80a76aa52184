"""Removing a window: what is its own, and nothing else."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

from penstock import locks
from penstock.errors import NotOurs
from penstock.owning import WINDOW_MARK, open_mark
from penstock.window.files import sweep_files
from penstock.window.folder import FILES, own_files

__all__ = ["empty_window_of_nobody", "remove_window"]

_log = logging.getLogger(__name__)


def empty_window_of_nobody(folder: Path) -> None:
    """Give back the space of a window that nobody serves; what lies there besides, as windows within, stays."""
    try:
        handle = open_mark(folder, WINDOW_MARK)
    except (OSError, NotOurs):
        return
    try:
        if locks.take(handle):
            sweep_files(folder)
            for path in own_files(folder):
                path.unlink(missing_ok=True)
    except OSError as error:
        _log.info("window.not_emptied folder=%s error=%s", folder, error)
    finally:
        os.close(handle)


def remove_window(folder: Path) -> None:
    """Remove a window that nobody uses, and its folder unless something else lies there; what is no window stays."""
    try:
        handle = open_mark(folder, WINDOW_MARK)
    except (OSError, NotOurs):
        return
    try:
        if not locks.take(handle):
            return
        sweep_files(folder)
        for path in own_files(folder):
            path.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (folder / FILES).rmdir()
        (folder / WINDOW_MARK).unlink(missing_ok=True)
        folder.rmdir()
    except OSError as error:
        _log.info("window.not_removed folder=%s error=%s", folder, error)
    finally:
        os.close(handle)
