"""The config of each step, imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import cast

from penstock.options import Options

__all__ = ["STEPS", "module_of", "options_of"]

STEPS = ("list", "prefetch", "train", "evaluate", "report", "run", "demo", "doctor", "new-task")
"""Each is declared in ``penstock.steps.options.<module>``, and done by ``penstock.steps.<module>``."""

_MODULES = {"list": "listing", "new-task": "new_task"}
_NAMES = {"new-task": "NewTaskOptions", "run": "JobOptions"}


def module_of(step: str) -> str:
    """Name the module of a step."""
    return _MODULES.get(step, step)


def options_of(step: str) -> type[Options]:
    """Return the config of a step."""
    module = importlib.import_module(f"penstock.steps.options.{module_of(step)}")
    return cast("type[Options]", getattr(module, _NAMES.get(step, f"{step.capitalize()}Options")))
