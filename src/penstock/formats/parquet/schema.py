"""The tree of a Parquet schema, and what is left of it where columns are chosen.

A footer has the tree as a list, depth first, each group with the number of its children. Source: parquet.thrift of
Apache Parquet format, ``SchemaElement``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penstock.thrift import BINARY, I32, STRUCT, Struct

__all__ = ["Node", "chosen_elements", "leaves_of", "missing_name", "read_tree", "twice_named"]

_NAME, _NUM_CHILDREN, _CONVERTED_TYPE, _LOGICAL_TYPE = 4, 5, 6, 10
_MAPS = (1, 2)
"""Converted types of maps: MAP and MAP_KEY_VALUE."""
_LOGICAL_MAP = 2
_REPETITION, _REPEATED = 3, 2
_MOST_DEPTH = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A column, or a group of columns.

    Attributes:
        path: names from the top, with dots between them.
        first_leaf: number of the first column in it.
        end_leaf: number after its last column.
        may_repeat: whether a row has any number of its values.
    """

    element: Struct
    name: str
    path: str
    children: tuple[Node, ...]
    first_leaf: int
    end_leaf: int
    may_repeat: bool

    @property
    def is_map(self) -> bool:
        """Whether its columns are of use together alone."""
        kind, logical = self.element.get(_LOGICAL_TYPE, (0, {}))
        return self.element.get(_CONVERTED_TYPE, (0, 0))[1] in _MAPS or (kind == STRUCT and _LOGICAL_MAP in logical)

    def walk(self) -> Iterator[Node]:
        """Return it and everything below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_tree(elements: Sequence[Struct]) -> Node:
    """Return the root of a schema.

    Raises:
        ValueError: it is no tree.
    """
    left = iter(elements)
    root, _ = _read_node(left, "", 0, may_repeat=False, depth=0)
    if next(left, None) is not None or not root.children:
        raise ValueError("its schema is no tree")
    return root


def _read_node(left: Iterator[Struct], above: str, leaf: int, *, may_repeat: bool, depth: int) -> tuple[Node, int]:
    element = next(left, None)
    if element is None or depth > _MOST_DEPTH or element.get(_NAME, (0, 0))[0] != BINARY:
        raise ValueError("its schema is no tree")
    name = element[_NAME][1].decode("utf-8", "surrogateescape")
    path = f"{above}.{name}" if above else name if depth else ""
    may_repeat = may_repeat or (depth > 0 and element.get(_REPETITION, (0, 0))[1] == _REPEATED)
    children, end = [], leaf
    kind, num_children = element.get(_NUM_CHILDREN, (I32, 0))
    for _ in range(num_children if kind == I32 else 0):
        child, end = _read_node(left, path, end, may_repeat=may_repeat, depth=depth + 1)
        children.append(child)
    node = Node(
        element=element,
        name=name,
        path=path,
        children=tuple(children),
        first_leaf=leaf,
        end_leaf=end if children else leaf + 1,
        may_repeat=may_repeat,
    )
    return node, node.end_leaf


def leaves_of(root: Node, columns: Sequence[str]) -> list[int]:
    """Return the numbers of the columns that are chosen by their paths or by those of groups that they are in.

    Keys and values of a map come together: neither means anything alone.
    """
    chosen: set[int] = set()
    for node in root.walk():
        if node.path in columns:
            chosen.update(range(node.first_leaf, node.end_leaf))
    for node in root.walk():
        leaves = range(node.first_leaf, node.end_leaf)
        if node.is_map and chosen.intersection(leaves):
            chosen.update(leaves)
    return sorted(chosen)


def missing_name(root: Node, columns: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return the first asked name that nothing has, and all names; None where there is none."""
    paths = [node.path for node in root.walk() if node.path]
    wrong = next((name for name in columns if name not in paths), None)
    return None if wrong is None else (wrong, paths)


def twice_named(root: Node, leaves: Sequence[int]) -> str:
    """Return the path of a chosen column or group that another one beside it has too; the empty text where none is."""
    chosen = set(leaves)
    for node in root.walk():
        paths = [child.path for child in node.children if chosen.intersection(range(child.first_leaf, child.end_leaf))]
        twice = next((path for path in paths if paths.count(path) > 1), "") if len(set(paths)) < len(paths) else ""
        if twice:
            return twice
    return ""


def chosen_elements(root: Node, leaves: Sequence[int]) -> list[Struct]:
    """Return the schema of some columns, as a footer has it."""
    chosen = set(leaves)

    def write(node: Node) -> Iterator[Struct]:
        children = [each for each in node.children if chosen.intersection(range(each.first_leaf, each.end_leaf))]
        yield {**node.element, _NUM_CHILDREN: (I32, len(children))} if children else node.element
        for child in children:
            yield from write(child)

    return list(write(root))
