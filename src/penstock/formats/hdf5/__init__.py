"""HDF5 files, and NetCDF4's, which are such: rows of chunks are extents, and small files are wholes."""

from __future__ import annotations

from penstock.formats.hdf5.format import Hdf5

__all__ = ["Hdf5"]
