"""Full-size networks load from files with the authors' names and wrapping."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from golden.ppd_reference import FOLDER, constants, manifest
from torch import Tensor

from depth_perception.systems import build_network, card
from depth_perception.systems.loading import load_network

CONFIGS = json.loads((FOLDER / "moge-model-configs.json").read_text())
MOGE = ("moge-2-vits-normal", "moge-2-vitb-normal", "moge-2-vitl", "moge-2-vitl-normal")


def _state(name: str) -> dict[str, Tensor]:
    """Random parameters under the official names."""
    torch.manual_seed(0)
    return {
        key: constants(key)
        if key.endswith(("image_mean", "image_std"))
        else torch.empty(shape).uniform_(-0.01, 0.01)
        for key, (shape, _) in manifest(name).items()
    }


def _loads(name: str, path: Path, state: dict[str, Tensor]) -> None:
    network = load_network(name, path)
    names = network.official_names()
    ours = network.state_dict()
    assert {names[key] for key in ours} == set(state)
    assert all(torch.equal(value, state[names[key]]) for key, value in ours.items())
    assert sum(value.numel() for value in network.parameters()) == card(name).parameters
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("name", MOGE)
def test_moge_of_every_size_loads(name: str, tmp_path: Path) -> None:
    path, state = tmp_path / "model.pt", _state(name)
    torch.save({"model_config": CONFIGS[name], "model": state}, path)
    _loads(name, path, state)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ppd-large", "ppd-large-moge"])
def test_the_transformer_loads(name: str, tmp_path: Path) -> None:
    path, state = tmp_path / "ppd.pth", _state("ppd-large")
    torch.save(state, path)
    _loads(name, path, state)


@pytest.mark.parametrize("name", ["ppd-large", "ppd-large-moge"])
def test_official_names_and_shapes(name: str) -> None:
    with torch.device("meta"):
        network = build_network(name)
    names = network.official_names()
    ours = {names[key]: list(value.shape) for key, value in network.state_dict().items()}
    assert ours == {key: shape for key, (shape, _) in manifest("ppd-large").items()}
