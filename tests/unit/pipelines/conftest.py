"""Makes ``components`` and ``pipelines`` importable: they lie beside ``src``, not in the installed package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
