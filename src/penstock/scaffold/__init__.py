"""A package for a task of one's own, written from templates."""

from __future__ import annotations

from penstock.scaffold.naming import TaskNames, check_name
from penstock.scaffold.writing import rendered, write_package

__all__ = ["TaskNames", "check_name", "rendered", "write_package"]
