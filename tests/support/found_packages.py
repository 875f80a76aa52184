"""Packages of somebody's own that this process finds for a while, and then never heard of."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import plugins

__all__ = ["found_packages"]


@contextlib.contextmanager
def found_packages(folder: Path) -> Iterator[None]:
    """Have packages in a folder found first; afterwards they are forgotten, with all that was imported of them."""
    before = {*sys.modules}
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))
        plugins._found.cache_clear()
        try:
            yield
        finally:
            plugins._found.cache_clear()
            for name in {*sys.modules} - before:
                if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(folder):
                    del sys.modules[name]
