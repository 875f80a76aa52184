"""Faults that do not pass by themselves: an object that changes between two ranges, credentials that end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.chaos.checking import planned_keys
from benchmarks.chaos.dataset import Dataset, make_dataset, serve
from benchmarks.chaos.server import Served
from penstock.errors import AccessDenied, PenstockError, SourceChanged
from penstock.options.window import ServingOptions
from penstock.window import Prefetcher, WindowReader

__all__ = ["SCENARIOS", "Scene", "run_scenario"]

NUM_SAMPLES = 40
CHANGING = 25
GOOD_REQUESTS = 250
WINDOW_BYTES = 2 << 20
TIMEOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What was done, what was seen, and whether it is as promised.

    Attributes:
        num_samples: right samples that the trainer was given, from the first on and in order.
        error: that ended the stream, None where it came to its end.
    """

    what: str
    num_samples: int
    error: PenstockError | None
    kept: bool

    @property
    def seen(self) -> str:
        """In words."""
        how = f"{type(self.error).__name__}: {self.error}" if self.error else "the end of the stream"
        return f"{self.num_samples} right samples, then {how}"


def changed_between_ranges(folder: Path, on_change: Literal["412", "given"]) -> Scene:
    """Read samples of two ranges each, far from one another, while one object changes between its two."""
    served = Served(
        num_objects=NUM_SAMPLES, object_bytes=4 << 20, faults=0, seed=3, changing=CHANGING, on_change=on_change
    )
    with serve(served, {}) as url:
        dataset = make_dataset(folder, url, served, epochs=1, shuffle=False, part_bytes=8192)
        num_samples, error = read(folder / "window", dataset)
    told = "If-Match is answered with 412" if on_change == "412" else "If-Match is not heard"
    return Scene(
        what=f"an object changes between two ranges of a sample; {told}",
        num_samples=num_samples,
        error=error,
        kept=num_samples == CHANGING and isinstance(error, SourceChanged) and f"{CHANGING:06}.bin" in str(error),
    )


def credentials_end(folder: Path) -> Scene:
    """Read with a key that ends in mid-run, and that nobody renews."""
    served = Served(
        num_objects=400, object_bytes=16_384, faults=0, seed=3, asks_for_key=True, good_requests=GOOD_REQUESTS
    )
    key = {"AWS_ACCESS_KEY_ID": f"AK{int(time.time()) + 3600}", "AWS_SECRET_ACCESS_KEY": "none"}
    with serve(served, {}) as url, _environment(key):
        dataset = make_dataset(folder, url, served, epochs=1, shuffle=False, anonymous=False)
        num_samples, error = read(folder / "window", dataset)
    return Scene(
        what="credentials end in mid-run (403 ExpiredToken), and nobody renews them",
        num_samples=num_samples,
        error=error,
        kept=0 < num_samples <= GOOD_REQUESTS and isinstance(error, AccessDenied) and "ExpiredToken" in str(error),
    )


def credentials_renewed(folder: Path, *, good_for_seconds: int = 13, run_seconds: float = 16) -> Scene:
    """Read for longer than any one key is good for, while a credential process gives new ones."""
    served = Served(num_objects=400, object_bytes=16_384, faults=0, seed=3, asks_for_key=True)
    renew = folder / "renew.sh"
    renew.write_text(
        "#!/bin/sh\n"
        f"end=$(($(date +%s) + {good_for_seconds}))\n"
        'printf \'{"Version": 1, "AccessKeyId": "AK%s", "SecretAccessKey": "none", "SessionToken": "t", '
        '"Expiration": "%s"}\' $end "$(date -u -d @$end +%Y-%m-%dT%H:%M:%SZ)"\n'
    )
    renew.chmod(0o755)
    (folder / "config").write_text(f"[profile chaos]\ncredential_process = {renew}\n")
    profile = {"AWS_CONFIG_FILE": str(folder / "config"), "AWS_PROFILE": "chaos"}
    counts: dict[str, int] = {}
    with serve(served, counts) as url, _environment(profile):
        dataset = make_dataset(folder, url, served, epochs=5, shuffle=False, anonymous=False)
        pause_seconds = run_seconds / dataset.spec.end_index
        num_samples, error = read(folder / "window", dataset, pause_seconds=pause_seconds)
    return Scene(
        what=f"credentials are good for {good_for_seconds} s each and renewed, in a run of {run_seconds:.0f} s or more",
        num_samples=num_samples,
        error=error,
        kept=num_samples == dataset.spec.end_index and error is None and not counts.get("403"),
    )


SCENARIOS: dict[str, Callable[[Path], Scene]] = {
    "changed-412": partial(changed_between_ranges, on_change="412"),
    "changed-given": partial(changed_between_ranges, on_change="given"),
    "credentials-end": credentials_end,
    "credentials-renewed": credentials_renewed,
}


def run_scenario(name: str) -> Scene:
    """Run one."""
    with tempfile.TemporaryDirectory(prefix="penstock-chaos-") as folder:
        return SCENARIOS[name](Path(folder))


def read(window: Path, dataset: Dataset, *, pause_seconds: float = 0) -> tuple[int, PenstockError | None]:
    """Read a stream; give how many samples came that were right, and the error that ended it."""
    keys = planned_keys(dataset)
    spec = msgspec.structs.replace(dataset.spec, session=uuid.uuid4().hex)
    with Prefetcher(window, ServingOptions(window_size=WINDOW_BYTES)):
        reader = WindowReader(window, spec, timeout_seconds=TIMEOUT_SECONDS).begin()
        for index in range(spec.end_index):
            try:
                sample = reader.get(index)
            except PenstockError as error:
                return index, error
            digest = hashlib.sha256(sample.data).hexdigest()
            if sample.meta.key != keys[index] or digest != dataset.digests[keys[index]]:
                return index, PenstockError(f"sample {index} is wrong", fix="")
            reader.advance(index + 1)
            if pause_seconds:
                time.sleep(pause_seconds)
        reader.close()
    return spec.end_index, None


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Put AWS variables in the environment, and take all others of AWS out."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
