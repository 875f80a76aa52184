"""The table of values in the chart's README, made of the comments in values.yaml.

``python charts/readme.py`` writes it; with ``--check`` it fails where the README would change.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "penstock"
_TABLE = re.compile(r"(?<=<!-- values -->\n).*?(?=<!-- end of values -->)", re.DOTALL)
_KEY = re.compile(r"^(\s*)([A-Za-z]+):")


def described(text: str) -> Iterator[tuple[str, str]]:
    """Give each value's dotted path and the comment with two dashes above it."""
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped.removeprefix("# -- ")]
        elif stripped.startswith("#"):
            comment = [*comment, stripped.removeprefix("# ")] if comment else []
        elif found := _KEY.match(line):
            indent = len(found[1])
            path = [*(part for part in path if part[0] < indent), (indent, found[2])]
            if comment:
                yield ".".join(name for _, name in path), " ".join(comment)
            comment = []


def table(text: str) -> str:
    """Give the table in Markdown."""
    values = yaml.safe_load(text)
    rows = [f"| `{path}` | {told} | `{_default(values, path)}` |" for path, told in described(text)]
    return "\n".join(["| value | is | default |", "|---|---|---|", *rows, ""])


def _default(values: dict[str, Any], path: str) -> str:
    found: Any = values
    for name in path.split("."):
        found = found[name]
    return json.dumps(found).replace("|", r"\|")


def main() -> int:
    """Write the table, or check it; give the exit code."""
    readme = CHART / "README.md"
    old = readme.read_text(encoding="utf-8")
    made = table((CHART / "values.yaml").read_text(encoding="utf-8"))
    new = _TABLE.sub(lambda _: made, old)
    if "--check" in sys.argv[1:]:
        if new != old:
            sys.stderr.write(f"{readme} is not what values.yaml says; run: python charts/readme.py\n")
        return int(new != old)
    readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
