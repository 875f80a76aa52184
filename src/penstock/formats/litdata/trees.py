"""How the leaves of a sample lie in dictionaries, lists and tuples, as LitData's ``data_spec`` tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

__all__ = ["Tree", "count_leaves", "filled", "names_of_leaves", "read_tree"]

_MOST_DEPTH: Final = 64
_KINDS: Final = {
    "builtins.dict": "dict",
    "collections.OrderedDict": "dict",
    "builtins.list": "list",
    "builtins.tuple": "tuple",
}


class Tree(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, omit_defaults=True):
    """A tree; ``kind`` is empty for a leaf, ``names`` are a dictionary's."""

    kind: str = ""
    names: tuple[str | int, ...] = ()
    parts: tuple[Tree, ...] = ()


def read_tree(spec: str | None) -> Tree:
    """Read a tree from its text.

    Raises:
        ValueError: it is none.
    """
    try:
        version, told = json.loads(spec or "")
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("no text of a tree") from error
    if version != 1:
        raise ValueError(f"the version {str(version)[:20]}")
    return _read(told, 0)


def _read(told: Any, depth: int) -> Tree:
    if depth > _MOST_DEPTH:
        raise ValueError("it is nested too deep")
    parts = told.get("children_spec") if isinstance(told, dict) else None
    if not isinstance(parts, list):
        raise ValueError(f"{str(told)[:60]} is no part of one")  # noqa: TRY004
    kind = told.get("type")
    if kind is None:
        if parts:
            raise ValueError("a leaf with parts")
        return Tree()
    if kind not in _KINDS:
        raise ValueError(f"a {str(kind)[:60]}, which is not known")
    names: Any = ()
    if _KINDS[kind] == "dict":
        try:
            names = json.loads(told.get("context") or "")
        except (ValueError, TypeError) as error:
            raise ValueError("a dictionary without names") from error
        is_of_names = isinstance(names, list) and all(isinstance(name, str | int) for name in names)
        if not is_of_names or len(set(names)) != len(names) or len(names) != len(parts):
            raise ValueError(f"a dictionary of the names {str(names)[:60]}")
    return Tree(kind=_KINDS[kind], names=tuple(names), parts=tuple(_read(part, depth + 1) for part in parts))


def count_leaves(tree: Tree) -> int:
    """Return how many leaves a tree has."""
    return sum(count_leaves(part) for part in tree.parts) if tree.kind else 1


def filled(tree: Tree, leaves: Iterator[Any]) -> Any:
    """Return the tree with its leaves, in order."""
    if not tree.kind:
        return next(leaves)
    parts = [filled(part, leaves) for part in tree.parts]
    if tree.kind == "dict":
        return dict(zip(tree.names, parts, strict=True))
    return tuple(parts) if tree.kind == "tuple" else parts


def names_of_leaves(tree: Tree, name: str = "") -> list[str]:
    """Return what each leaf is of: names and numbers with dots between them."""
    if not tree.kind:
        return [name]
    names = tree.names or tuple(range(len(tree.parts)))
    named = ((f"{name}.{each}" if name else str(each), part) for each, part in zip(names, tree.parts, strict=True))
    return [leaf for each, part in named for leaf in names_of_leaves(part, each)]
