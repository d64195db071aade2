"""What the files of ScaleDepth hold beside the depth network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .scaledepth_config import UNUSED_IN_FILES

_EMBEDDINGS = "decode_head.class_embeddings"


def depth_entries(state: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that have a part in depth: without CLIP's text half and visual head."""
    return {name: value for name, value in state.items() if not name.startswith(UNUSED_IN_FILES)}


def class_count(state: Mapping[str, Any]) -> int:
    """Number of scene classes of a file; 0 where it was trained without."""
    embeddings = state.get(_EMBEDDINGS)
    return len(embeddings) if isinstance(embeddings, Tensor) and embeddings.ndim == 2 else 0
