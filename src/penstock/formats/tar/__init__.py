"""TAR in WebDataset's convention: members of one name but for what follows its first dot are a sample."""

from __future__ import annotations

from penstock.formats.tar.format import Tar

__all__ = ["Tar"]
