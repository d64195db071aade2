"""Strict conversion of plain mappings, as read from YAML, into frozen dataclasses."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..plain_yaml import shown

T = TypeVar("T")


class RecipeError(ValueError):
    """A recipe has an invalid key or value."""


@contextmanager
def errors_of(key: str, kind: type[Exception] = ValueError) -> Iterator[None]:
    """Within it, an error of the kind becomes a :class:`RecipeError` about a key."""
    try:
        yield
    except RecipeError:
        raise
    except kind as error:
        raise RecipeError(f"{key}: {error.args[0] if kind is KeyError else error}") from error


def from_mapping(cls: type[T], mapping: Any, where: str = "") -> T:
    """Build dataclass ``cls`` from ``mapping``, which is ``where`` in its file (for error
    messages).

    Fields may be numbers, strings, booleans, ``Literal``, ``Optional``, ``tuple[X, ...]``,
    tuples of fixed length, other dataclasses, and unions of dataclasses whose ``kind`` tells
    them apart.

    Raises RecipeError: an unknown key (the closest known one is suggested), a missing key, or a
    value of the wrong type.
    """
    if not isinstance(mapping, Mapping):
        raise RecipeError(f"{where or 'recipe'}: expected a mapping, got {shown(mapping)}")
    hints = get_type_hints(cls)
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    for key in mapping:
        if key not in known:
            raise RecipeError(f"{_join(where, key)}: unknown key; {nearest(key, known)}")
    missing = [
        name
        for name, field in known.items()
        if name not in mapping and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise RecipeError(f"{where or 'recipe'}: missing {', '.join(missing)}")
    values = {k: _value(hints[k], v, _join(where, k)) for k, v in mapping.items()}
    with errors_of(where or "recipe"):
        return cls(**values)


def nearest(value: Any, known: Iterable[str]) -> str:
    """A hint for an error message: the known name closest to ``value``, or all of them."""
    known = [str(name) for name in known]
    near = get_close_matches(shown(value).strip("'"), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def _join(where: str, key: Any) -> str:
    return f"{where}.{key}" if where else str(key)


def _value(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if is_dataclass(hint):
        return from_mapping(hint, value, where)  # type: ignore[arg-type]
    if origin in (Union, types.UnionType):
        return _union(get_args(hint), value, where)
    if origin is Literal:
        return _choice(get_args(hint), value, where)
    if origin is tuple:
        return _tuple(get_args(hint), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):
        try:  # YAML 1.1 reads 1e-4 as a string
            return float(value)
        except ValueError as error:
            raise RecipeError(f"{where}: expected a number, got {shown(value)}") from error
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise RecipeError(f"{where}: expected {hint.__name__}, got {shown(value)}")
    return value


def _union(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in hints:
        return None
    hints = tuple(hint for hint in hints if hint is not type(None))
    if len(hints) == 1:
        return _value(hints[0], value, where)
    if not isinstance(value, Mapping) or "kind" not in value:
        raise RecipeError(f"{where}: expected a mapping with a kind, got {shown(value)}")
    kinds = {get_args(get_type_hints(hint)["kind"])[0]: hint for hint in hints}
    return from_mapping(kinds[_choice(tuple(kinds), value["kind"], f"{where}.kind")], value, where)


def _choice(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value in choices:
        return value
    raise RecipeError(f"{where}: {shown(value)} is not a choice; {nearest(value, choices)}")


def _tuple(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise RecipeError(f"{where}: expected a list, got {shown(value)}")
    if len(args) == 2 and args[1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        raise RecipeError(f"{where}: expected {len(args)} values, got {len(value)}")
    pairs = enumerate(zip(args, value, strict=True))
    return tuple(_value(a, v, f"{where}[{i}]") for i, (a, v) in pairs)
