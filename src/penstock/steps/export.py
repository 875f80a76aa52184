"""``penstock export``: write trained networks as a file that others run without Penstock."""

from __future__ import annotations

import sys

from torch import nn

from penstock.export import write_submission
from penstock.recipes.registry import objective_from_state
from penstock.steps._shared.outputs import check_outputs
from penstock.steps._shared.trained import check_model_asked, trained_model
from penstock.steps.options.export import ExportOptions
from penstock.texts import printable
from penstock.train.checkpoint import load_weights
from penstock.train.checkpoint_file import Weights
from penstock.units import format_bytes

NAME = "export"

__all__ = ["NAME", "run"]


def run(args: ExportOptions) -> int:
    """Write it, and say what it is."""
    check_outputs(args.out)
    asked = ((args.challenge_1, args.model_1), (args.challenge_2, args.model_2))
    networks = [_loaded(*words, args, flag=f"--model-{number}") for number, words in enumerate(asked, 1)]
    done = write_submission(args.out, networks)
    lines = [
        f"{printable(str(done.path))}: {format_bytes(done.size_bytes)}, tried without Penstock: its answers are the "
        f"checkpoints', within {max(done.difference, 1e-9):.0e} standard deviations of the targets",
        *(f"  challenge {number}: {told(weights)}" for number, (weights, _) in enumerate(networks, 1)),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _loaded(checkpoint: str, model: str | None, args: ExportOptions, *, flag: str) -> tuple[Weights, nn.Module]:
    weights = load_weights(checkpoint, endpoint_url=args.run_endpoint_url)
    check_model_asked(weights, model, flag=flag)
    objective = objective_from_state(weights.objective, task=weights.identity.task)
    return weights, trained_model(weights, num_outputs=objective.num_outputs)


def told(weights: Weights) -> str:
    """Say which checkpoint it is."""
    return f"{weights.identity.model} of {printable(weights.location)}, after epoch {weights.epoch + 1}"
