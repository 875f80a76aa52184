"""The one command that compiles everything: ``python pipelines/compile.py``.

It writes what is made of the declarations (``pipelines.files`` says which files these are); ``--check`` writes nothing
and fails where one of them is not what the declarations give. ``PENSTOCK_IMAGE_CPU`` and ``PENSTOCK_IMAGE_GPU`` name
other images, for files that are written elsewhere with ``--out``. ``--verify FILE`` looks at pipelines of yours: a task
that leaves a parameter of its component out is refused here as well as by what compiles ours.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # as a script: Python put this file's folder there instead
    sys.path.insert(0, str(ROOT))

from pipelines.files import (  # noqa: E402 - needs the path
    EEG_PIPELINE,
    IMAGE_VARIABLES,
    PIPELINES,
    STEPS,
    compile_all,
    compile_pipeline,
    documents,
    sources,
    verify,
)

__all__ = ["EEG_PIPELINE", "PIPELINES", "STEPS", "check", "compile_all", "compile_pipeline", "main"]

SETTINGS = ("secret", "window_size", "shm_size", "train_timeout_seconds")


def main(argv: Sequence[str] | None = None) -> int:
    """Compile or check; give the exit code: 1 where a check finds a difference."""
    parser = argparse.ArgumentParser(prog="pipelines/compile.py", description="Compile components and pipelines.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a file would change")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write below this folder (default: the repository)")
    parser.add_argument(
        "--verify",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="only check that these compiled pipelines give every parameter of each component",
    )
    _add_settings(parser)
    args = parser.parse_args(argv)
    if args.verify:
        return verify(args.verify)
    images = {name: os.environ[name] for name in IMAGE_VARIABLES if os.environ.get(name)}
    settings = {name: value for name in SETTINGS if (value := getattr(args, name)) is not None}
    if args.out is None and (images or settings):
        given = ", ".join([*images, *(f"--{name.replace('_', '-')}" for name in settings)])
        parser.error(f"{given} is given without --out: the files in the repository are those of the defaults")
    try:
        # The components' modules are made first: the pipelines import them.
        if args.out is not None or args.check:
            if check(sources(), ROOT):
                return 1
        else:
            write(sources(), ROOT)
        made = compile_all(images=images, **settings)
        if args.out is None:
            made |= documents()
        folder = args.out or ROOT
        return check(made, folder) if args.check else write(made, folder)

    except (OSError, ValueError) as error:
        parser.error(str(error))


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--secret", metavar="NAME", help="Kubernetes secret with credentials (default: none)")
    parser.add_argument(
        "--window-size", metavar="SIZE", help="bound of the window, of an injected sidecar's too (default: 2Gi)"
    )
    parser.add_argument("--shm-size", metavar="SIZE", help="shared memory of train and evaluate (default: 1Gi)")
    parser.add_argument(
        "--train-timeout-seconds", type=int, metavar="N", help="of one attempt of train or evaluate (default: 3 days)"
    )


def write(made: Mapping[Path, str], folder: Path) -> int:
    """Write files below a folder; give 0."""
    for path, text in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return 0


def check(made: Mapping[Path, str], folder: Path) -> int:
    """Say on standard error what would change in a folder; give 1 if anything would."""
    code = 0
    for path, text in made.items():
        found = (folder / path).read_text() if (folder / path).exists() else ""
        if found != text:
            code = 1
            lines = difflib.unified_diff(found.splitlines(True), text.splitlines(True), str(path), "compiled", n=1)
            sys.stderr.writelines(lines)
    if code:
        sys.stderr.write("compiled files are stale: run `python pipelines/compile.py`\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
