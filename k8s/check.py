"""Checks of every manifest: ``python k8s/check.py``, in an environment with ``k8s/requirements-check.txt``.

Each object of ``manifests.py`` is validated strictly (a field that a schema does not have is an error) against the
schemas of each version of Kubernetes, and judged by checkov. Kinds of other projects have no schema there: they are
named as unchecked, but an object of Kubernetes' own that has no schema in a version is an error. What checkov finds
and may stay has an annotation ``checkov.io/skip<n>`` with the reason, which is told.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from manifests import POLICY_APIS, ROOT, Object, manifests

OTHER_PROJECTS = ("argoproj.io", "monitoring.coreos.com", "kind.x-k8s.io")
FRAMEWORKS = ("kubernetes", "argo_workflows")


def main(argv: Sequence[str] | None = None) -> int:
    """Check all; give the exit code: 1 where anything is wrong."""
    parser = argparse.ArgumentParser(prog="k8s/check.py", description="Check every manifest.")
    parser.add_argument("--helm", default="helm", help="the program (default: helm)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "manifests", help="folder for what is checked")
    args = parser.parse_args(argv)
    by_version = {version: list(manifests(version, helm=args.helm)) for version in POLICY_APIS}
    wrong = [line for version, objects in by_version.items() for line in _validated(version, objects)]
    newest = by_version[list(POLICY_APIS)[-1]]
    _write(args.out, newest)
    wrong += _judged(args.out, skips(newest))
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0


def _validated(version: str, objects: Sequence[tuple[str, Object]]) -> Iterator[str]:
    """Validate against the schemas of a version; give what is wrong, and tell what was done."""
    unchecked: Counter[str] = Counter()
    for origin, found in objects:
        name = f"{version}: {origin}: {found['kind']} {found.get('metadata', {}).get('name', '')}"
        try:
            kubernetes_validate.validate(found, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{name}: {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            if found["apiVersion"].partition("/")[0] in OTHER_PROJECTS:
                unchecked[f"{found['kind']} ({found['apiVersion']})"] += 1
            else:
                yield f"{name}: Kubernetes {version} has no {found['apiVersion']} of that kind"
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(unchecked.items()))
    count = len(objects) - unchecked.total()
    sys.stdout.write(f"Kubernetes {version}: {count} objects looked at, unchecked for want of a schema: {told}\n")


def skips(objects: Iterable[tuple[str, Object]]) -> set[tuple[str, str]]:
    """Give what the annotations say that may stay, each check with its reason."""
    annotations = [made.get("metadata", {}).get("annotations", {}) for _, made in objects]
    texts = [text for given in annotations for key, text in given.items() if key.startswith("checkov.io/skip")]
    return {(check, why) for check, _, why in (text.partition("=") for text in texts)}


def _write(folder: Path, objects: Sequence[tuple[str, Object]]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, (origin, found) in enumerate(objects):
        (folder / f"{number:03}-{origin}.yaml").write_text(yaml.safe_dump(found, sort_keys=False))


def _judged(folder: Path, allowed: set[tuple[str, str]]) -> Iterator[str]:
    """Run checkov over a folder; give what it finds and skips that skip nothing, and tell what was skipped and why."""
    skipped = set()
    for report in _checkov(folder):
        results, summary = report["results"], report["summary"]
        told = f"{summary['passed']} passed, {summary['skipped']} skipped"
        sys.stdout.write(f"checkov {report['check_type']}: {told}\n")
        skipped |= {(item["check_id"], item["check_result"]["suppress_comment"]) for item in results["skipped_checks"]}
        for path in results["parsing_errors"]:
            yield f"checkov: cannot read {path}"
        for item in results["failed_checks"]:
            yield f"{item['check_id']}: {item['file_path']}: {item['resource']}: {item['check_name']}"
    for check, why in sorted(skipped):
        sys.stdout.write(f"  {check}: {why}\n")
    for check, why in sorted(allowed - skipped):
        yield f"{check}: skips nothing, so leave it out: {why}"


def _checkov(folder: Path) -> list[dict[str, Any]]:
    program = Path(sys.executable).with_name("checkov")
    words = [program, "--directory", folder, "--framework", *FRAMEWORKS, "--output", "json", "--compact"]
    done = subprocess.run(  # noqa: S603 - words of our own
        [*map(str, words), "--skip-download"], check=False, stdout=subprocess.PIPE, text=True
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"checkov ended with {done.returncode}")
    reports = json.loads(done.stdout)
    by_type = {report["check_type"]: report for report in (reports if isinstance(reports, list) else [reports])}
    if missing := set(FRAMEWORKS) - by_type.keys():
        raise SystemExit(f"checkov looked at nothing of {', '.join(sorted(missing))}")
    return list(by_type.values())


if __name__ == "__main__":
    raise SystemExit(main())
