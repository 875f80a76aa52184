"""Pushes the images that were built, and writes what names them: ``make release REGISTRY=registry.example/team``.

Below the folder that it is told to write in: the compiled pipeline and components, whose images are those that were
pushed, by digest, and ``values.yaml`` for the chart. Nothing is written unless everything was pushed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"[\w][\w.-]{0,100}")
TOLD_LINES = 5


class ReleaseFailed(Exception):
    """An image could not be pushed, or a file could not be compiled."""


def main(argv: Sequence[str] | None = None) -> int:
    """Release; give 1, and say why, where that cannot be done."""
    parser = argparse.ArgumentParser(prog="docker/release.py", description="Push images, and compile with their names.")
    parser.add_argument("--registry", required=True, metavar="HOST[/PATH]", help="where to push to, like ghcr.io/team")
    parser.add_argument("--version", required=True, metavar="NAME", help="of the images that were built")
    parser.add_argument("--tag", required=True, metavar="NAME", help="that they are pushed with")
    parser.add_argument("--docker", default="docker", metavar="COMMAND")
    parser.add_argument("--no-gpu", action="store_true", help="train and evaluate in the cpu image")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument("rest", nargs="*", metavar="ARGUMENT", help="of pipelines/compile.py, like --secret NAME")
    args = parser.parse_args(argv)
    try:
        _check(args.registry, args.tag)
        targets = ("prefetch", "cpu") if args.no_gpu else ("prefetch", "cpu", "gpu")
        pushed = {target: _push(args.docker, args.registry, args.version, args.tag, target) for target in targets}
        pushed.setdefault("gpu", pushed["cpu"])
        _write(args.out, pushed, args.rest)
    except ReleaseFailed as error:
        sys.stderr.write(f"not released: {error}\n")
        return 1
    sys.stdout.write(_told(args.out, pushed))
    return 0


def _check(registry: str, tag: str) -> None:
    if not _NAME.fullmatch(registry):
        raise ReleaseFailed(
            f"{registry!r} is no registry: write it like ghcr.io/team, without a scheme, in small letters"
        )
    if not _TAG.fullmatch(tag):
        raise ReleaseFailed(f"{tag!r} is no tag: write it like 0.1.0")


def _push(docker: str, registry: str, version: str, tag: str, target: str) -> str:
    """Push an image; give its name in the registry, with its digest."""
    built, name = f"penstock:{version}-{target}", f"{registry}/penstock:{tag}-{target}"
    _run([docker, "tag", built, name], fix=f"build it: make {'image-gpu' if target == 'gpu' else 'images'}")
    sys.stdout.write(f"pushing {name}\n")
    sys.stdout.flush()
    _run([docker, "push", "--quiet", name], fix=f"log in: {docker} login {registry.partition('/')[0]}")
    told = json.loads(_run([docker, "image", "inspect", name], fix="look at the engine"))[0]["RepoDigests"]
    found = [digest for digest in told if digest.startswith(f"{registry}/penstock@")]
    if not found:
        raise ReleaseFailed(f"{name} was pushed, and the engine knows no digest of it there: {told}")
    return found[0]


def _write(out: Path, pushed: Mapping[str, str], rest: Sequence[str]) -> None:
    env = os.environ | {"PENSTOCK_IMAGE_CPU": pushed["cpu"], "PENSTOCK_IMAGE_GPU": pushed["gpu"]}
    compiler = [sys.executable, str(ROOT / "pipelines/compile.py"), "--out", str(out), *rest]
    _run(compiler, fix="correct the options of pipelines/compile.py", env=env)
    repository, _, digest = pushed["prefetch"].partition("@")
    values = {
        "prefetch": {"image": {"repository": repository, "digest": digest}},
        "workflows": {"images": {"cpu": pushed["cpu"], "gpu": pushed["gpu"]}},
    }
    # JSON is YAML, and needs no library.
    (out / "values.yaml").write_text(json.dumps(values, indent=2) + "\n")


def _run(words: Sequence[str], *, fix: str, env: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)  # noqa: S603
    except OSError as error:
        raise ReleaseFailed(f"{words[0]} cannot be run ({error})") from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).splitlines()[-TOLD_LINES:])
        raise ReleaseFailed(f"`{' '.join(words)}` failed; {fix}\n{said}")
    return done.stdout


def _told(out: Path, pushed: Mapping[str, str]) -> str:
    images = "".join(f"  {target:8} {image}\n" for target, image in pushed.items())
    return (
        f"pushed\n{images}written below {out}: upload pipelines/compiled/penstock.yaml in the KFP UI, and install "
        f"the chart by\n  helm upgrade --install penstock charts/penstock --values {out}/values.yaml\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
