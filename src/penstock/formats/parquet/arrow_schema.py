"""What is left of the Arrow schema that lies beside a Parquet schema, where columns are chosen."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import pyarrow as pa

from penstock.formats.parquet.schema import Node

__all__ = ["chosen_arrow_schema"]


def chosen_arrow_schema(text: bytes, root: Node, leaves: Sequence[int]) -> bytes:
    """Return what an ``ARROW:schema`` says of some columns, in the same form; nothing where it can't be told."""
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
    except (binascii.Error, pa.ArrowException, OSError, ValueError):
        return b""
    counts = [_num_leaves(field.type) for field in schema]
    if counts != [node.end_leaf - node.first_leaf for node in root.children]:
        return b""
    chosen = set(leaves)
    fields = [
        _chosen_field(field, node.first_leaf, chosen)
        for field, node in zip(schema, root.children, strict=True)
        if chosen.intersection(range(node.first_leaf, node.end_leaf))
    ]
    return base64.b64encode(pa.schema(fields).serialize().to_pybytes())


def _children(kind: pa.DataType) -> list[pa.Field]:
    """Return the fields in a type that columns are of; none where it is a column itself."""
    if isinstance(kind, pa.BaseExtensionType):
        return _children(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return []
    return [kind.field(number) for number in range(kind.num_fields)]


def _num_leaves(kind: pa.DataType) -> int:
    children = _children(kind)
    return sum(_num_leaves(child.type) for child in children) if children else 1


def _chosen_field(field: pa.Field, leaf: int, chosen: set[int]) -> pa.Field:
    """Return a field with what is chosen of it, its first column being number ``leaf``."""
    kind = field.type
    if chosen.issuperset(range(leaf, leaf + _num_leaves(kind))):
        return field
    if isinstance(kind, pa.BaseExtensionType):
        return _chosen_field(pa.field(field.name, kind.storage_type, field.nullable), leaf, chosen)
    kept = []
    for child in _children(kind):
        count = _num_leaves(child.type)
        if chosen.intersection(range(leaf, leaf + count)):
            kept.append(_chosen_field(child, leaf, chosen))
        leaf += count
    return field.with_type(_with_children(kind, kept))


def _with_children(kind: pa.DataType, children: list[pa.Field]) -> pa.DataType:
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(children[0], kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(children[0])
    if pa.types.is_list(kind):
        return pa.list_(children[0])
    return pa.struct(children)
