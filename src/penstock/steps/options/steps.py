"""The config of each step, imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import cast

from penstock.options import Options

__all__ = ["OPTIONS_STEPS", "PIPELINE_STEPS", "RUN_OPTIONS", "STEPS", "TOLD", "module_of", "options_of"]

STEPS = (
    "list",
    "prefetch",
    "train",
    "evaluate",
    "report",
    "run",
    "demo",
    "doctor",
    "inspect",
    "pack",
    "export",
    "compare",
    "compare-modes",
    "cost-report",
    "forecast",
    "prices",
    "new-task",
)
"""Each is declared in ``penstock.steps.options.<module>``, and done by ``penstock.steps.<module>``."""

TOLD = {
    "list": "list a dataset, make its samples, split them: manifest and plan",
    "prefetch": "fill a window for a trainer, or try out a manifest through one",
    "train": "train a model through the window",
    "evaluate": "score a checkpoint on a split it was not trained on",
    "report": "make the report and the bill of a run",
    "run": "list, prefetch, train, evaluate and report, in one command",
    "demo": "the whole job on a generated dataset, from a server of its own",
    "doctor": "tell what a cluster, or this machine, lacks, and what to do",
    "inspect": "tell what lies at a URI: objects, formats, columns, first samples, advice",
    "pack": "write a dataset anew in shards of a given size, verified and resumable",
    "export": "write trained networks as a file that others run without Penstock",
    "forecast": "tell what a run would take and cost, each way that its data could go, before it",
    "cost-report": "sum up the bills of several runs, and write them as FOCUS 1.2",
    "compare": "show the scores, time and cost of several runs side by side",
    "compare-modes": "run a job in each of its modes, and show what each took side by side",
    "prices": "list, check and refresh the prices that bills are made with",
    "new-task": "write a package for a task of your own",
}
"""What each does, for a person."""
PIPELINE_STEPS = ("list", "prefetch", "forecast", "train", "evaluate", "report")
"""Those that a pipeline runs, the first one first."""
OPTIONS_STEPS = (*PIPELINE_STEPS, "pack")
"""Those that take options as one object too: a pipeline's steps those of the run, ``pack`` its own."""
RUN_OPTIONS = "--options"
"""Flag of each of them for these options (``run_options``)."""

_MODULES = {
    "compare-modes": "compare_modes",
    "cost-report": "cost_report",
    "list": "listing",
    "new-task": "new_task",
}
_NAMES = {
    "compare-modes": "CompareModesOptions",
    "cost-report": "CostReportOptions",
    "new-task": "NewTaskOptions",
    "run": "JobOptions",
}


def module_of(step: str) -> str:
    """Name the module of a step."""
    return _MODULES.get(step, step)


def options_of(step: str) -> type[Options]:
    """Return the config of a step."""
    module = importlib.import_module(f"penstock.steps.options.{module_of(step)}")
    return cast("type[Options]", getattr(module, _NAMES.get(step, f"{step.capitalize()}Options")))
