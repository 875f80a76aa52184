"""Shards as Parquet files: a column a field, of the types that the first shard's samples have."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.errors import ConfigError
from penstock.sharding.arrow_types import array_of, joined, type_of
from penstock.sharding.text import nothing_there, str_of

__all__ = ["ParquetShards"]

_UNFIT = (ValueError, TypeError, OverflowError, pa.ArrowException)
_SHOWN = 200


class ParquetShards:
    """Parquet files of one schema.

    Args:
        compression: of pages, as pyarrow names it.
        group_bytes: of a row group, about, before it is compressed.
    """

    needs_schema = True
    extension = "parquet"
    format = "parquet"
    options: Mapping[str, Any] = {}

    def __init__(self, *, compression: str, group_bytes: int) -> None:
        self._compression, self._group_bytes = compression, group_bytes

    def fields_of(self, sample: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """Return columns' values by name; what is missing is None."""
        return {str(field): _known(value, str(field), name) for field, value in sample.items()}

    def fields_back(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the same of a row that was read back."""
        return row

    def schema_of(self, samples: Sequence[tuple[str, Any]]) -> str:
        """Return the Arrow schema of samples, serialised, as base64."""
        if not any(fields for _, fields in samples):
            raise nothing_there(samples[0][0])
        return base64.b64encode(_schema_of(samples).serialize().to_pybytes()).decode()

    def encode(self, samples: Sequence[tuple[str, Any]], schema: str) -> tuple[bytes, int]:
        """Write a file; return it, and what it takes unpacked."""
        whole = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(schema)))
        _check_same(whole, _schema_of(samples), samples)
        columns = [_column([fields.get(field.name) for _, fields in samples], field, samples) for field in whole]
        try:
            table, made = pa.Table.from_arrays(columns, schema=whole), io.BytesIO()
            rows = max(1, self._group_bytes * table.num_rows // max(1, table.nbytes))
            pq.write_table(table, made, row_group_size=rows, compression=self._compression)
        except _UNFIT as error:
            raise _unfit(samples, "has columns", error) from error
        return made.getvalue(), table.nbytes


def _known(value: Any, field: str, name: str) -> Any:
    """Return a value; None for what is not one: a point in time that is missing, a decimal that is no number."""
    if isinstance(value, str):
        return str_of(value, field, name)
    if isinstance(value, np.datetime64 | np.timedelta64) and np.isnat(value):
        return None
    return None if isinstance(value, Decimal) and value.is_nan() else value


def _schema_of(samples: Sequence[tuple[str, Any]]) -> pa.Schema:
    found: dict[str, pa.DataType] = {}
    for name, fields in samples:
        for field, value in fields.items():
            try:
                found[field] = joined(found.get(field, pa.null()), type_of(value))
            except ValueError as error:
                raise ConfigError(
                    f"{field!r} of {name} {error}: a column of Parquet is of one type", fix=_FIX
                ) from error
    return pa.schema([pa.field(field, kind) for field, kind in found.items()])


_FIX = "choose columns of one type, or --to tar"


def _check_same(whole: pa.Schema, own: pa.Schema, samples: Sequence[tuple[str, Any]]) -> None:
    """Refuse samples that the first shard's schema does not hold.

    Raises:
        ConfigError: with the first field.
    """
    names = set(whole.names)
    for field in own:
        at = f"from {samples[0][0]} on"
        if field.name not in names:
            raise ConfigError(
                f"samples {at} have a field {field.name!r}, which those of the first shard lack", fix=_FIX
            )
        kind = whole.field(field.name).type
        try:
            is_same = joined(kind, field.type).equals(kind)
        except ValueError:
            is_same = False
        if not is_same:
            raise ConfigError(
                f"{field.name!r} is {str(kind)[:_SHOWN]} in the first shard, and {str(field.type)[:_SHOWN]} {at}",
                fix=f"{_FIX}, or shards so large that the first one shows what there is (--shard-size)",
            )


def _column(values: Sequence[Any], field: pa.Field, samples: Sequence[tuple[str, Any]]) -> Any:
    try:
        return array_of(values, field.type)
    except _UNFIT as error:
        raise _unfit(samples, f"has a field {field.name!r}", error) from error


def _unfit(samples: Sequence[tuple[str, Any]], what: str, error: Exception) -> ConfigError:
    told = " ".join(str(error).split())[:_SHOWN]
    return ConfigError(f"a shard from {samples[0][0]} on {what} that Parquet does not hold: {told}", fix=_FIX)
