"""A package of somebody's own that brings a scheme: ``toy://FOLDER`` reads files backwards stored in a folder."""

from __future__ import annotations

from pathlib import Path

__all__ = ["put_toy_package"]

TOY = '''
"""Objects whose files hold their bytes back to front, below the folder that TOY_SHELVES names."""

import os
from pathlib import Path

from penstock.errors import ObjectNotFound
from penstock.sources import ObjectInfo, ObjectSource, Scheme


class Toys(ObjectSource):
    lists_in_order = False

    def __init__(self, spec, *, limits, meter, purpose):
        super().__init__(spec, meter)
        self._folder = Path(os.environ["TOY_SHELVES"], spec.uri.partition("://")[2])
        self._line = meter.line("GET", purpose)

    async def list_objects(self, prefix=""):
        files = [path for path in (self._folder / prefix).rglob("*") if path.is_file()]
        yield [
            ObjectInfo(key=str(path.relative_to(self._folder)), size_bytes=path.stat().st_size, version="toy")
            for path in files
        ]

    async def get_range(self, info, offset, length_bytes):
        path = self._folder / info.key
        if not path.exists():
            raise ObjectNotFound(f"{info.key} has gone", fix="list again", about=info.key)
        self._line.sent(0)
        self._line.answered(200)
        self._line.received(length_bytes)
        return memoryview(path.read_bytes()[::-1][offset : offset + length_bytes])

    async def read_into(self, info, offset, place):
        place[:] = await self.get_range(info, offset, len(place))

    async def names_in(self, uri):
        return []

    def split_uri(self, uri):
        scheme, _, rest = uri.partition("://")
        return "toy://", rest.split("/")

    def close(self):
        pass


SCHEME = Scheme(title="a toy shelf", example="toy://shelf", locate=lambda spec: spec, open=Toys)
'''


def put_toy_package(folder: Path, scheme: str, *, module: str = TOY) -> None:
    """Install a package that brings a scheme into a folder, as pip would."""
    package, info = folder / f"toy_scheme_{scheme}", folder / f"toy_scheme_{scheme}-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text(module.lstrip())
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: toy-scheme-{scheme}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[penstock.sources]\n{scheme} = toy_scheme_{scheme}:SCHEME\n")
