"""The file of one checkpoint: what it belongs to, its bytes, and the weights in it.

It is read with ``weights_only=True``: loading it runs no code of its own. The digest of the weights lies in it,
so that damage is found even where nothing else names the file.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import Tensor

from penstock.errors import CheckpointCorrupt, CheckpointMismatch
from penstock.manifest.trained_on import TrainedOn
from penstock.records.codec import Part
from penstock.records.telling import what_it_is
from penstock.train.config import ConfigValue, TrainConfig, option_of
from penstock.train.determinism import tensors_sha256
from penstock.train.options import TrainingOptions
from penstock.train.resuming import changed_options

__all__ = ["Identity", "Weights", "check_identity", "decode_checkpoint", "decode_weights", "encode_checkpoint"]

_FORMAT = "penstock.checkpoint"
_ZIP = b"PK\x03\x04"
"""What a file of torch begins with."""
_VERSION = 1


class Identity(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a checkpoint belongs to.

    Attributes:
        shape: axes of one sample.
        config: the options that what is learnt depends on.
        meaning: of samples and targets, as ``ManifestInfo.meaning`` has it; empty where the file does not tell.
    """

    task: str
    model: str
    shape: tuple[int, ...]
    num_outputs: int
    manifest_fingerprint: str
    plan_fingerprint: str
    config: dict[str, str | int | float | bool | None]
    meaning: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """A network's weights and what is needed to use them.

    Attributes:
        epoch: 0-based, whose end they are of.
        model: the network's state dict.
        objective: what ``objective_from_state`` takes.
        sha256: of the weights (``weights_sha256`` of the network that holds them).
        file_sha256: of the checkpoint's file.
        location: path or URI of the file.
        trained_on: the training split, None where the file does not tell.
    """

    identity: Identity
    epoch: int
    step: int
    model: dict[str, Tensor]
    objective: dict[str, str | float | int]
    sha256: str
    file_sha256: str
    location: str
    trained_on: TrainedOn | None


def check_identity(found: Identity, wanted: Identity, *, origin: str) -> None:
    """Check that a checkpoint is of this run.

    Raises:
        CheckpointMismatch: it is not; names the first field that differs, and both values.
    """
    for name in Identity.__struct_fields__:
        ours, theirs = getattr(wanted, name), getattr(found, name)
        if ours == theirs or name == "config":
            continue
        raise CheckpointMismatch(
            f"{origin} is of a run with {name.replace('_', ' ')} {theirs!r}, this one has {ours!r}",
            fix="run with the options it was made with, or give this run another folder",
            about=origin,
        )
    options = _as_text(found.config), _as_text(wanted.config)
    defaults = _as_text(TrainConfig(task="", model="").as_dict())
    changed = list(changed_options(*options, rules=TrainingOptions.rules(), defaults=defaults))
    if changed:
        raise CheckpointMismatch(
            f"{origin} is of a run with {'; '.join(map(str, changed))}",
            fix="run with the options it was made with, or give this run another folder",
            about=origin,
        )


def _as_text(config: dict[str, ConfigValue]) -> dict[str, str | None]:
    """Return options by their names; a whole number is the same whatever its type."""
    return {option_of(name): _text(value) for name, value in config.items()}


def _text(value: ConfigValue) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value)


def encode_checkpoint(content: Mapping[str, Any], *, identity: Identity, step: int, epoch: int) -> bytes:
    """Write a checkpoint's file: the content, which holds at least ``model`` and ``objective``, and its head."""
    head = {
        "format": _FORMAT,
        "version": _VERSION,
        "identity": msgspec.to_builtins(identity),
        "step": step,
        "epoch": epoch,
        "weights_sha256": tensors_sha256(content["model"]),
    }
    buffer = io.BytesIO()
    torch.save({**head, **content}, buffer)
    return buffer.getvalue()


def decode_checkpoint(data: bytes, origin: str) -> dict[str, Any]:
    """Read a checkpoint's file, its tensors on the CPU.

    Args:
        data: what ``encode_checkpoint`` wrote.
        origin: where it is from, for the error message.

    Raises:
        CheckpointCorrupt: it is damaged or no checkpoint.
        CheckpointMismatch: it is of a version that this Penstock does not know.
    """
    fix = "pass a .pt file that `penstock train` wrote, or train again"
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        # torch names no class for what it cannot read: zip, pickle and torch's own errors all come here.
        found = "" if data.startswith(_ZIP) else what_it_is(data)
        told = f"is {found}, no checkpoint" if found else f"is damaged or no checkpoint ({type(error).__name__})"
        what = f"{origin} {told}"
        raise CheckpointCorrupt(what, fix=fix, about=origin) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise CheckpointCorrupt(
            f"{origin} is not a Penstock checkpoint, but another file of torch's", fix=fix, about=origin
        )
    if content.get("version") != _VERSION:
        what = f"{origin} is of version {content.get('version')!r}, this Penstock reads {_VERSION}"
        raise CheckpointMismatch(what, fix="use the Penstock release that wrote it", about=origin)
    try:
        is_right = tensors_sha256(content["model"]) == content["weights_sha256"]
    except (KeyError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointCorrupt(f"{origin} is damaged (it has no weights to read)", fix=fix, about=origin) from error
    if not is_right:
        raise CheckpointCorrupt(f"{origin} is damaged (its weights have another SHA-256)", fix=fix, about=origin)
    return content


def decode_weights(data: bytes, origin: str) -> Weights:
    """Read the weights of a checkpoint's file; raises as ``decode_checkpoint`` does."""
    content = decode_checkpoint(data, origin)
    try:
        return Weights(
            identity=msgspec.convert(content["identity"], Identity),
            epoch=msgspec.convert(content["epoch"], int),
            step=msgspec.convert(content["step"], int),
            model=content["model"],
            objective=content["objective"],
            sha256=content["weights_sha256"],
            file_sha256=hashlib.sha256(data).hexdigest(),
            location=origin,
            trained_on=msgspec.convert(content["trained_on"], TrainedOn) if content.get("trained_on") else None,
        )
    except (KeyError, msgspec.ValidationError) as error:
        raise CheckpointCorrupt(
            f"{origin} is damaged (what it tells beside its weights: {error})", fix="train again", about=origin
        ) from error
