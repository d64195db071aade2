"""Files of MoGe-2."""

from __future__ import annotations

from pathlib import Path

import torch

from ..checkpoints import CheckpointError, load_strictly, read_configured
from .config import MogeConfig, MogeConfigError
from .network import Moge


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
