"""YAML from outside: plain values, and one short error whatever is wrong with the text."""

from __future__ import annotations

import reprlib
from typing import Any

import yaml

from .limits import printable

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader of plain values; that in C is ten times as fast."""


class YamlError(ValueError):
    """A text is no YAML; the error says where, such as " (line 3)", or is empty.

    It does not quote the text, which may be any file.
    """


def load_yaml(content: bytes | str) -> Any:
    """The plain values of a YAML text.

    Raises:
        YamlError: it is no YAML, not UTF-8, nested too deeply, or names objects.
    """
    try:
        return yaml.load(content, Loader=LOADER)
    except Exception as error:  # also those of dates, numbers and codecs
        mark = getattr(error, "problem_mark", None)
        raise YamlError("" if mark is None else f" (line {mark.line + 1})") from error


def shown(value: Any) -> str:
    """A value of such a text for an error message: aliases make small files enormous values."""
    return printable(reprlib.repr(value), 200)
