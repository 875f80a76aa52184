"""The options of `penstock prefetch`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal, get_args

from penstock.options import Options, choice, option
from penstock.options.readers import optional_path, optional_text, positive_int, worker_number
from penstock.options.window import ServingOptions
from penstock.steps.options.common import CommonOptions
from penstock.steps.options.data import TransformOption
from penstock.steps.options.run_root import RecordedOptions
from penstock.train.options import ModelOption

__all__ = ["PrefetchOptions"]

_HIGHEST_PORT = 65535
EvaluatedName = Literal["train", "valid", "test", "none"]
_FOLLOWS = "what follows the probe, to find out beforehand what does not fit"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: it is a number from 0 to {_HIGHEST_PORT}")
    return int(text)


class _Serving(Options, in_pipelines=False):
    metrics_port: int = option(
        read=_port,
        default=0,
        metavar="PORT",
        told="serve metrics for Prometheus at /metrics while a window is served; 0: none (default). "
        "A port that is taken is logged, and does not keep the window from being served",
    )


class _Probe(Options, group="probe", in_pipelines=False):
    manifest: Path | None = option(read=optional_path, default=None, metavar="FILE", told="manifest to try out")
    plan: Path | None = option(read=optional_path, default=None, metavar="FILE", told="its plan")
    samples: int = option(
        read=positive_int,
        default=256,
        metavar="N",
        told="samples to stream (default: 256)",
        run_option="probe_samples",
    )
    record: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="where to write the step's record"
    )


class _Follows(Options, group=_FOLLOWS):
    batch_size: int | None = option(
        read=positive_int,
        default=None,
        metavar="N",
        told="samples of a step of training (default: what the dataset's file says, or 64)",
    )
    workers: int = option(
        read=worker_number, default=0, metavar="N", told="processes that decode, in training and evaluation"
    )
    evaluate_split: EvaluatedName = choice(
        choices=get_args(EvaluatedName), default="test", told="split that is evaluated (default: test)"
    )
    instance_type: str | None = option(
        read=optional_text,
        default=None,
        metavar="NAME",
        told="node of training: warned of where it has no price",
        field="node_type",
    )


class PrefetchOptions(
    CommonOptions, ServingOptions, _Serving, _Probe, TransformOption, _Follows, ModelOption, RecordedOptions
):
    """The options of `penstock prefetch`."""
