"""All data sets by name: layout, content, and the commands that use them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from . import panoptic, panoramas, pinhole
from .entry import DataSet, Reader, depth_of, picture_of

__all__ = ["DATA_SETS", "DataSet", "Reader", "data_set", "depth_of", "picture_of"]

DATA_SETS: Mapping[str, DataSet] = MappingProxyType(
    {entry.name: entry for module in (panoramas, pinhole, panoptic) for entry in module.ENTRIES}
)
"""In the order in which they are listed."""


def data_set(name: str) -> DataSet:
    """The entry of a data set.

    Raises:
        KeyError: there is none; the message names the closest one.
    """
    if name not in DATA_SETS:
        near = get_close_matches(name, DATA_SETS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(DATA_SETS)}"
        raise KeyError(f"no data set {name!r}; {hint}")
    return DATA_SETS[name]
