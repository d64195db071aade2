"""Files of Pixel-Perfect Depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# parts of other networks that a file may hold beside the transformer
_OTHER_NETWORKS = ("sem_encoder.", "semantics_encoder.")


def transformer_entries(state: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of the transformer in a released file, or in one of the authors' trainer."""
    entries = {name.removeprefix("pipeline."): value for name, value in state.items()}
    return {n: value for n, value in entries.items() if not n.startswith(_OTHER_NETWORKS)}
