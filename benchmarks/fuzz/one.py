"""Feeds one parser with what libFuzzer makes of its examples, guided by which of Penstock's lines an input reaches.

    python -m benchmarks.fuzz.one '<Asked as JSON>'

Errors that are none of Penstock's, inputs that take long and those that take much memory are told in ``found.jsonl`` of
the folder, each kind of them once, with the input in ``found``; it goes on behind them. It begins with what was found
before, and forgets what is mended. What ends the process (native code that crashes, 60 seconds) leaves its input in the
folder by libFuzzer.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import re
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

SLOW_SECONDS = 5
"""Of this process's CPU; what waits for others is slow after ``LATE_SECONDS``."""
LATE_SECONDS, HUNG_SECONDS = 30, 60
MOST_ADDRESSES_BYTES = 8 << 30
MOST_GROWTH_BYTES = 1 << 30
"""Of the memory resident, beyond what reading the examples takes."""
MOST_INPUT_BYTES = 1 << 17
MOST_WORDS, MOST_WORDS_IN = 300, 8192
_WORD = re.compile(rb"[A-Za-z0-9_.:<>/=-]{3,40}")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is done: a name of ``TARGETS``, and when it ends, whichever comes first."""

    name: str
    inputs: int
    seconds: int
    seed: int
    folder: str
    replay: str = ""
    """An input that is run alone."""


class Watch:
    """Calls a parser, and tells what it does that it should not."""

    def __init__(self, feed: Callable[[bytes], None], folder: Path) -> None:
        from penstock.errors import PenstockError

        self._feed, self._own = feed, PenstockError
        self._told, self._inputs = folder / "found.jsonl", folder / "found"
        self._inputs.mkdir(exist_ok=True)
        self._told.unlink(missing_ok=True)
        self._known: set[str] = set()
        self._names: set[str] = set()
        self.bound_bytes = sys.maxsize
        self.is_warm = False
        """Whether modules were loaded that an input needs."""

    def __call__(self, data: bytes) -> None:
        begun, cpu = time.monotonic(), time.process_time()
        try:
            self._feed(data)
        except self._own:
            pass
        except BaseException as error:
            frames = [each for each in traceback.extract_tb(error.__traceback__) if "/src/penstock/" in each.filename]
            at = (frames or traceback.extract_tb(error.__traceback__))[-1]
            self._tell(data, f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}", str(error))
        seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
        if self.is_warm and (cpu > SLOW_SECONDS or seconds > LATE_SECONDS):
            self._tell(data, "slow", f"{cpu:.1f} s of CPU, {seconds:.1f} s")
        if (peak := peak_bytes()) > self.bound_bytes:
            self._tell(data, "memory", f"{peak >> 20} MiB")
            self.bound_bytes = peak + MOST_GROWTH_BYTES

    def replay(self) -> None:
        """Run what was found before, and forget what is mended."""
        for path in sorted(self._inputs.iterdir()):
            self(path.read_bytes())
            if path.name not in self._names:
                path.unlink()

    def _tell(self, data: bytes, kind: str, what: str) -> None:
        if kind in self._known:
            return
        self._known.add(kind)
        name = hashlib.sha256(data).hexdigest()[:16]
        self._names.add(name)
        (self._inputs / name).write_bytes(data)
        with self._told.open("a") as file:
            file.write(json.dumps({"kind": kind, "what": what[:300], "input": name}) + "\n")


def peak_bytes() -> int:
    """Return the most memory that was resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def dictionary(examples: list[bytes]) -> str:
    """Return the words that stand in examples, as libFuzzer reads them, to be put elsewhere."""
    found = dict.fromkeys(word for example in examples for word in _WORD.findall(example[:MOST_WORDS_IN]))
    return "".join(f'"{word.decode()}"\n' for word in list(found)[:MOST_WORDS])


def main() -> None:
    """Feed it."""
    asked = Asked(**json.loads(sys.argv[1]))
    folder = Path(asked.folder)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES_BYTES, MOST_ADDRESSES_BYTES))
    with atheris.instrument_imports(include=["penstock"]):
        from benchmarks.fuzz.targets import TARGETS

        examples, feed = TARGETS[asked.name]()
        if asked.replay:
            with contextlib.suppress(Exception):
                feed(Path(asked.replay).read_bytes())
            return
        watch = Watch(feed, folder)
        corpus = folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for number, example in enumerate(examples):
            (corpus / f"example-{number:03}").write_bytes(example)
            watch(example)
        watch.is_warm = True
        watch.bound_bytes = peak_bytes() + MOST_GROWTH_BYTES
        watch.replay()
        gc.collect()
        gc.freeze()  # what modules hold is not searched again
        most = max(2 * max(map(len, examples)), 2048)
        words = {
            "runs": asked.inputs, "max_total_time": asked.seconds, "seed": asked.seed, "timeout": HUNG_SECONDS,
            "max_len": min(most, MOST_INPUT_BYTES), "rss_limit_mb": 0, "malloc_limit_mb": 0, "print_final_stats": 1,
            "verbosity": 1, "len_control": 0,
        }  # fmt: skip
        options = [f"-{name}={value}" for name, value in words.items()]
        (folder / "words").write_text(dictionary(examples))
        options.append(f"-dict={folder / 'words'}")
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder}/ended-", str(corpus)], watch)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
