"""What a real API server answered (Kubernetes 1.36.3), as it was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.doctor.kubectl import parse_documents

FOLDER = Path(__file__).parent / "recorded"


def recorded(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def documents(name: str) -> list[dict[str, Any]]:
    return parse_documents((FOLDER / f"{name}.txt").read_text())


def resources(name: str) -> set[str]:
    return {made["name"] for made in recorded(name)["resources"]}
