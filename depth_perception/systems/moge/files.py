"""Files of MoGe-2 and of Pixel-Perfect Depth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..checkpoints import CheckpointError, load_strictly, read_configured
from .config import MogeConfig, MogeConfigError
from .network import Moge

# parts of other networks that files of Pixel-Perfect Depth may hold beside its transformer
_PASSENGERS = ("sem_encoder.", "semantics_encoder.")


def load_moge(name: str, path: Path, device: torch.device | str) -> Moge:
    """A network built of the configuration in its own file, whatever the name says of its size.

    Raises:
        CheckpointError: the file is missing, unreadable, without configuration, with one that we
            cannot build, or with parameters of another network.
    """
    state, mapping = read_configured(path)
    try:
        config = MogeConfig.from_mapping(mapping)
    except MogeConfigError as error:
        raise CheckpointError(f"{path} (for {name}): {error}") from error
    with torch.device("meta"):
        network = Moge(config)
    network.to_empty(device=device)
    load_strictly(network, state, network.official_names(), f"{path} (for {name})")
    return network.requires_grad_(False).eval()


def transformer_entries(state: Mapping[str, Any]) -> dict[str, Any]:
    """What a released file, or one of the authors' trainer, says of the transformer."""
    entries = {name.removeprefix("pipeline."): value for name, value in state.items()}
    return {name: value for name, value in entries.items() if not name.startswith(_PASSENGERS)}
