"""All data sets by name: layout, content, and the commands that use them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..names import DATA_SET_NAMES, check_name
from .entries import ENTRIES
from .entry import DataSet, Reader, depth_of, image_of

__all__ = ["DATA_SETS", "DataSet", "Reader", "data_set", "depth_of", "image_of"]

_ENTRIES = {entry.name: entry for entry in ENTRIES}
DATA_SETS: Mapping[str, DataSet] = MappingProxyType({n: _ENTRIES[n] for n in DATA_SET_NAMES})
"""In the order in which they are listed."""


def data_set(name: str) -> DataSet:
    """The entry of a data set.

    Raises:
        KeyError: unknown name; the message suggests the closest one.
    """
    check_name(name)
    return DATA_SETS[name]
