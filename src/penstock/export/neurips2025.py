"""Two checkpoints as a submission to the NeurIPS 2025 EEG challenge.

The challenge's scorer unpacks a ZIP, imports ``submission`` and calls ``Submission(SFREQ, DEVICE)``, its
``get_model_challenge_1()`` and ``get_model_challenge_2()``, and the networks with batches of EEG (start kit,
github.com/eeg2025/startkit, ``submission.py`` and ``local_scoring.py``).
"""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.errors import CheckpointError, CheckpointMismatch, ConfigError
from penstock.files import atomic_write
from penstock.recipes.eeg.libraries import factory_text
from penstock.recipes.eeg.model_names import MODEL_NAMES, library_model
from penstock.recipes.registry import objective_from_state
from penstock.tasks.eeg.choosing import CHOOSING
from penstock.tasks.eeg.epochs import Normalize, normalized
from penstock.tasks.eeg.signal_options import SIGNALS
from penstock.temporary import TemporaryFolder
from penstock.train.checkpoint_file import Weights

__all__ = ["CHALLENGES", "Challenge", "Exported", "write_submission"]

SHAPE: Final = (129, 200)
_SAMPLES_TRIED = 4
_TOLERANCE = 1e-4
"""Of the targets' standard deviation: sums of float32 in another order."""
_HERE = Path(__file__).parent
_IMPORT = "from penstock.recipes.eeg.networks import "
_FUTURE = "from __future__ import annotations\n"
_CHANGES_NOTHING = frozenset(
    {
        "bids-task",
        "event-column",
        "label",
        "stride-seconds",
        "window-seconds",
        "responses",
        "evaluation-crop",
        "filter-context",
    }
) | {option.name.replace("_", "-") for option in CHOOSING}
"""Options of the tasks that tell which samples there are, and not what is in one, or nothing without a filter."""
_IN_SAMPLES = frozenset(option.name.replace("_", "-") for option in SIGNALS)
_RATE_HZ = 100.0
_TIME_LIMIT_SECONDS = 600.0
_TRY = """
import sys
sys.modules["penstock"] = None  # as where the scorer is
sys.path.insert(0, ".")
import numpy, torch
from submission import Submission
given = torch.from_numpy(numpy.load("given.npy"))
submission = Submission(100, torch.device("cpu"))
with torch.inference_mode():
    for number in (1, 2):
        model = getattr(submission, f"get_model_challenge_{number}")()
        model.eval()
        numpy.save(f"answers_{number}.npy", model.forward(given).numpy())
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """One of the two.

    Attributes:
        task: whose checkpoints it takes.
        wanted: options of the task that samples must have been made with, as the scorer makes them.
    """

    number: int
    task: str
    wanted: Mapping[str, float]


CHALLENGES: Final = (
    Challenge(
        number=1,
        task="eeg-c1",
        wanted=MappingProxyType({"epoch-start": 0.5, "epoch-seconds": 2.0, "resample": _RATE_HZ}),
    ),
    Challenge(number=2, task="eeg-c2", wanted=MappingProxyType({"crop-seconds": 2.0, "resample": _RATE_HZ})),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        difference: the most that an answer of the file differed from the checkpoint's, in standard deviations.
    """

    path: Path
    size_bytes: int
    difference: float


def write_submission(path: Path, networks: Sequence[tuple[Weights, torch.nn.Module]]) -> Exported:
    """Write a ZIP of ``submission.py`` and both networks' weights, after it has been tried in another process.

    Args:
        path: of the ZIP; it is there when the submission has given what the checkpoints do.
        networks: of each of ``CHALLENGES`` its checkpoint, and the network with its weights.

    Raises:
        CheckpointMismatch: a checkpoint is of another task, or of samples that the scorer does not make.
        ConfigError: the file of a network of one's own cannot be told, or does not stand by itself.
        CheckpointError: the submission gives other answers than the checkpoints.
    """
    files = {"submission.py": submission_text().encode()}
    for challenge, (weights, _) in zip(CHALLENGES, networks, strict=True):
        files.update(_files_of(challenge, weights))
    difference = _try_out(files, networks)
    data = _zipped(files)
    atomic_write(path, data)
    return Exported(path=path, size_bytes=len(data), difference=difference)


def submission_text() -> str:
    """Return ``submission.py`` with the networks in it, so that it needs torch alone."""
    text = (_HERE / "submission.py").read_text(encoding="utf-8")
    networks = Path(str(_spec_of("penstock.recipes.eeg.networks").origin)).read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if line.startswith(_IMPORT))
    lines[place] = networks.split(_FUTURE, 1)[1].lstrip("\n").rstrip("\n") + "\n\n"
    return "".join(lines)


def _files_of(challenge: Challenge, weights: Weights) -> dict[str, bytes]:
    """Return the files of one challenge by their names."""
    _check(challenge, weights)
    files: dict[str, bytes] = {}
    factory, file = weights.identity.model, ""
    if factory not in MODEL_NAMES:
        file, found = f"model_challenge_{challenge.number}.py", library_model(factory)
        module, _, factory = factory.partition(":")
        files[file] = _source_of(module) if found is None else factory_text(found).encode()
        factory = factory if found is None else "factory"
    kept = {
        "shape": list(weights.identity.shape),
        "factory": factory,
        "file": file,
        "normalize": _normalize_of(weights),
        "target_mean": float(weights.objective["target_mean"]),
        "target_std": float(weights.objective["target_std"]),
        "weights": weights.model,
    }
    buffer = io.BytesIO()
    torch.save(kept, buffer)
    return {**files, f"weights_challenge_{challenge.number}.pt": buffer.getvalue()}


def _check(challenge: Challenge, weights: Weights) -> None:
    """Check that a checkpoint answers what a challenge asks."""
    identity, where = weights.identity, weights.location

    def refuse(why: str, fix: str) -> CheckpointMismatch:
        return CheckpointMismatch(f"the checkpoint {where} {why}", fix=fix, about=where)

    if identity.task != challenge.task:
        raise refuse(
            f"is of the task {identity.task!r}, challenge {challenge.number} is {challenge.task!r}",
            f"give a checkpoint that was trained with --task {challenge.task}",
        )
    if identity.shape != SHAPE:
        raise refuse(
            f"takes samples of shape {identity.shape}, the challenge's are {SHAPE}: 129 channels, 2 s at 100 Hz",
            "train on recordings as the challenge has them",
        )
    options = None if weights.trained_on is None else weights.trained_on.task_options
    if options is None:
        raise refuse("does not tell how its samples were made: an older Penstock wrote it", "train again")
    for name, value in options.items():
        if name == "normalize" or name in _CHANGES_NOTHING or value == challenge.wanted.get(name):
            continue
        if value in (None, "none") or (name not in challenge.wanted and value in (False, "", 0)):
            continue
        if name in _IN_SAMPLES and name != "resample":
            raise refuse(
                f"was trained on samples made with {name}={value}: the challenge's scorer gives 2 s as they were "
                "recorded, of all channels, and nothing beside them",
                "train without",
            )
        wanted = challenge.wanted.get(name)
        told = "does not do that" if wanted is None else f"has {wanted:g}"
        raise refuse(f"was trained on samples made with {name}={value}, the challenge's scorer {told}", "train without")


def _normalize_of(weights: Weights) -> Normalize:
    options = weights.trained_on.task_options if weights.trained_on else None
    return cast("Normalize", (options or {}).get("normalize", "zscore"))


def _source_of(module: str) -> bytes:
    """Return the file of a module."""
    origin = _spec_of(module).origin
    if origin is None or not origin.endswith(".py"):
        raise ConfigError(
            f"the module {module} has no file of Python's that a submission could hold",
            fix="put the network into a module of its own, which imports nothing but what the scorer has",
        )
    return Path(origin).read_bytes()


def _spec_of(module: str) -> Any:
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise ConfigError(f"there is no module {module}", fix="run it where the network's module can be imported")
    return spec


def _try_out(files: Mapping[str, bytes], networks: Sequence[tuple[Weights, torch.nn.Module]]) -> float:
    """Have another process, which has no Penstock, answer for some samples; give how far it is off."""
    given = np.random.default_rng(0).normal(scale=2e-5, size=(_SAMPLES_TRIED, *SHAPE)).astype(np.float32)
    given[0, 0] = 0.0
    with TemporaryFolder("penstock-export-") as folder:
        for file, data in files.items():
            (folder / file).write_bytes(data)
        np.save(folder / "given.npy", given)
        _run(folder)
        answers = [np.load(folder / f"answers_{challenge.number}.npy") for challenge in CHALLENGES]
    return max(
        _difference(weights, network, given, found) for (weights, network), found in zip(networks, answers, strict=True)
    )


def _run(folder: Path) -> None:
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-c", _TRY],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT_SECONDS,
            check=False,
        )
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1] if done.returncode else ""
    except subprocess.TimeoutExpired:
        said = f"it gave no answers within {_TIME_LIMIT_SECONDS:g} s"
    if said:
        raise ConfigError(
            f"the submission cannot be used without Penstock: {said}",
            fix="let the modules of your networks import nothing but what the scorer has, such as torch",
        )


def _difference(
    weights: Weights, network: torch.nn.Module, given: NDArray[np.float32], found: NDArray[np.float32]
) -> float:
    objective = objective_from_state(weights.objective, task=weights.identity.task)
    scaled = np.stack([normalized(each.astype(np.float64), _normalize_of(weights)) for each in given])
    with torch.inference_mode():
        wanted = objective.predictions(network.eval()(torch.from_numpy(scaled)), {})
    off = float("inf")
    if found.shape == (len(wanted), 1):
        off = float(np.abs(found[:, 0] - wanted).max()) / float(weights.objective["target_std"])
    if not off <= _TOLERANCE:
        raise CheckpointError(
            f"a submission of {weights.location} answers otherwise than the checkpoint: by {off:.2g} standard "
            f"deviations, in shape {found.shape}",
            fix="report this, with the network that it is of",
            about=weights.location,
        )
    return off


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
