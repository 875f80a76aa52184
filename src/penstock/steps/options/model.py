"""The option that names the network."""

from __future__ import annotations

import argparse

from penstock.steps.options.values import optional_text

__all__ = ["add_model_option"]


def add_model_option(parser: argparse._ActionsContainer) -> None:
    """Add ``--model``; None is the task's default."""
    parser.add_argument(
        "--model",
        type=optional_text,
        metavar="NAME",
        help="network: one of the task's, whose first is the default (of EEG: small, eegnex), or your own, as "
        "package.module:factory, which is called with shape= and num_outputs=",
    )
