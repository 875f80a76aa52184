"""Packages for environment and images: torch for CPUs where it can be had, with patience, and nothing of CUDA unseen.

``python docker/packages.py install --torch-index URL -- ARGUMENTS`` is ``pip install``, torch first: torch for CUDA is
warned of, or refused (``--only-cpu``). ``... wheels --into FOLDER -- ARGUMENTS`` is ``pip wheel`` for the cpu image,
which refuses torch for CUDA. ``... check FOLDER`` refuses a folder of wheels, or of installed packages, where CUDA's
packages lie.

A public index gives Linux torch for CUDA, with 2.7 GB of packages beside it. PyTorch's own index has builds for
CPUs, of a tenth the size: it is asked where it can be reached; otherwise what pip finds by itself is looked at. An
index that fails in passing looks to pip as if nothing fitted together, so whatever fails is tried again, and the last
error is told as it stands.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Pip", "PipFailed", "cuda_packages", "main", "torch_options"]

TRIES = 5
FIRST_WAIT_SECONDS = 2.0
TOLD_LINES = 12
REACH_SECONDS = 10.0

CUDA_TOLD = "torch for CUDA comes with 2.7 GB of NVIDIA's packages"
_CUDA = re.compile(r"^(nvidia|cuda|triton)([-_.]|$)|^torch-[^-]*\+cu", re.IGNORECASE)


class PipFailed(Exception):
    """Pip failed at every try; the message is the end of what it said last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pip:
    """Runs pip, again where it fails.

    Attributes:
        words: that start it.
        wait: takes seconds.
    """

    words: Sequence[str] = (sys.executable, "-m", "pip")
    wait: Callable[[float], None] = time.sleep

    def run(self, *arguments: str, tries: int = TRIES) -> str:
        """Return what it wrote to standard output.

        Raises:
            PipFailed: every try failed.
        """
        pause_seconds = FIRST_WAIT_SECONDS
        for number in range(1, tries + 1):
            done = subprocess.run([*self.words, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode == 0:
                return done.stdout
            said = "\n".join([*done.stdout.splitlines(), *done.stderr.splitlines()][-TOLD_LINES:])
            if number < tries:
                sys.stderr.write(f"pip failed ({number} of {tries}), again in {pause_seconds:.0f} s\n")
                self.wait(pause_seconds)
                pause_seconds *= 2
        raise PipFailed(f"`pip {' '.join(arguments)}` failed {tries} times, the last time with:\n{said}")


def main(argv: Sequence[str] | None = None, *, pip: Pip | None = None) -> int:
    """Do what is asked; give 1, and say why, where it cannot be done."""
    parser = argparse.ArgumentParser(prog="docker/packages.py", description="Get packages.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("install", "wheels"):
        command = commands.add_parser(name)
        command.add_argument("--torch-index", default="", metavar="URL", help="has builds for CPUs; empty asks none")
        command.add_argument("--only-cpu", action="store_true", help="refuse torch for CUDA, instead of a warning")
        command.add_argument("--python", metavar="FILE", help="interpreter of another environment to install into")
        command.add_argument("--into", type=Path, metavar="DIR", help="where to put wheels", required=name == "wheels")
        command.add_argument("rest", nargs="+", metavar="ARGUMENT", help="of pip")
    commands.add_parser("check").add_argument("folder", type=Path)
    args = parser.parse_args(argv)
    try:
        if args.command == "check":
            _refuse(args.folder)
        elif args.command == "wheels":
            _collect(pip or Pip(), args.into, args.torch_index, args.rest)
        else:
            _install(pip or _pip_of(args.python), args.torch_index, args.rest, only_cpu=args.only_cpu)
    except PipFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _pip_of(python: str | None) -> Pip:
    return Pip(words=(*Pip().words, *(("--python", python) if python else ())))


def _install(pip: Pip, index: str, rest: Sequence[str], *, only_cpu: bool) -> None:
    options = torch_options(pip, index, _constraints(rest)) if index or only_cpu else []
    if options is None and only_cpu:
        raise _would_hold_cuda(index)
    if options is None:
        sys.stderr.write(
            f"warning: {index} cannot be reached, and what pip finds is {CUDA_TOLD}: it is installed; TORCH_INDEX=URL "
            "names an index that has a build for CPUs\n"
        )
    # torch first and by itself, so that nothing else decides which build it is.
    pip.run("install", "--quiet", *(options or []), *_constraints(rest), "torch")
    pip.run("install", "--quiet", *(options or []), *rest)


def _collect(pip: Pip, folder: Path, index: str, rest: Sequence[str]) -> None:
    options = torch_options(pip, index, _constraints(rest))
    if options is None:
        raise _would_hold_cuda(index)
    folder.mkdir(parents=True, exist_ok=True)
    pip.run("wheel", "--quiet", "--wheel-dir", str(folder), *options, *rest)
    _refuse(folder)


def _would_hold_cuda(index: str) -> PipFailed:
    asked = f"{index} cannot be reached" if index else "no other index is named"
    return PipFailed(
        f"the cpu image would hold CUDA: what pip finds is {CUDA_TOLD}, and {asked}: name an index that has a build "
        "for CPUs by TORCH_INDEX=URL, or a folder that has its wheel by PIP_FIND_LINKS"
    )


def _refuse(folder: Path) -> None:
    """Fail where packages of CUDA lie in a folder."""
    if found := cuda_packages(path.name for path in folder.iterdir()):
        size_bytes = sum(path.stat().st_size for name in found for path in (folder / name, *(folder / name).rglob("*")))
        raise PipFailed(
            f"{folder} is for CPUs and holds packages of CUDA ({size_bytes / 1e9:.2f} GB): {', '.join(found)}: remove "
            "them, and take torch from an index that has a build for CPUs (TORCH_INDEX=URL)"
        )


def cuda_packages(names: Iterable[str]) -> list[str]:
    """Return those names of wheels, or of installed packages, that are of CUDA, in order."""
    return sorted(name for name in names if _CUDA.search(name))


_LOOK = ("install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-")


def torch_options(pip: Pip, index: str, constraints: Sequence[str]) -> list[str] | None:
    """Return pip's options with which torch is a build for CPUs; None where there is no such build.

    Args:
        index: that has builds for CPUs, if it can be reached.
        constraints: options of pip that name the version.
    """
    if index and not os.environ.get("PIP_NO_INDEX", "0").strip("0") and _reached(index):
        return ["--extra-index-url", index]
    report = json.loads(pip.run(*_LOOK, *constraints, "torch"))
    found = report["install"][0]["metadata"]
    needed = [re.split(r"[^\w.-]", requirement)[0] for requirement in found.get("requires_dist", [])]
    return None if cuda_packages([f"torch-{found['version']}", *needed]) else []


def _reached(index: str) -> bool:
    if index.startswith("file://"):
        return Path(index.removeprefix("file://"), "torch").is_dir()
    try:
        with urllib.request.urlopen(f"{index.rstrip('/')}/torch/", timeout=REACH_SECONDS):  # noqa: S310 - the user's
            return True
    except (OSError, ValueError):
        return False


def _constraints(rest: Sequence[str]) -> list[str]:
    """Return those options that name constraints."""
    found = []
    for word, value in itertools.pairwise(rest):
        if word in ("--constraint", "-c"):
            found += [word, value]
    return found


if __name__ == "__main__":
    raise SystemExit(main())
