"""Official weights files of EoMT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..checkpoints import CheckpointError
from ..image_input import IMAGENET_MEAN, IMAGENET_STD
from .network import PREFIX

_CONSTANTS = {
    f"{PREFIX}encoder.pixel_mean": IMAGENET_MEAN,
    f"{PREFIX}encoder.pixel_std": IMAGENET_STD,
}
# of the training only
_IGNORED = (f"{PREFIX}attn_mask_probs", "criterion.empty_weight")
_COMPILED = "._orig_mod"
_TRANSFORMERS = ("model.embeddings.", "embeddings.", "model.layers.", "model.encoder.", "layers.")


def network_entries(state: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in a file of the authors, without the constants and what only training needs.

    Raises:
        CheckpointError: the network was trained for images of another normalisation, or the file
            is one of the Transformers library.
    """
    if any(name.startswith(_TRANSFORMERS) for name in state):
        raise CheckpointError(
            "these are parameters under the names of the Transformers library: take the file "
            "pytorch_model.bin of the authors"
        )
    found = {name.replace(_COMPILED, ""): value for name, value in state.items()}
    for name, expected in _CONSTANTS.items():
        value = found.pop(name, None)
        if value is not None and not _equals(value, expected):
            raise CheckpointError(f"{name} is {value}, but this network expects {expected}")
    return {name: value for name, value in found.items() if name not in _IGNORED}


def _equals(value: Any, expected: tuple[float, ...]) -> bool:
    if not isinstance(value, Tensor) or value.numel() != len(expected):
        return False
    return torch.allclose(value.flatten().double(), torch.tensor(expected).double(), atol=1e-4)
