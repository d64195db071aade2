"""From a file of weights to an estimator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import depth_perception as dp
from depth_perception.systems import CheckpointError, build_network, save_network


def test_weights_say_how_they_run(tmp_path: Path) -> None:
    """The header of a file gives options, those of the caller go first."""
    torch.manual_seed(0)
    network = build_network("blindspot-tiny")
    path = tmp_path / "best.safetensors"
    told = {"height": 64, "formula": "training", "latitudes_deg": None, "seam": "off"}
    save_network(network, path, metadata={"model": "blindspot-tiny", "options": json.dumps(told)})
    options = dp.load("blindspot-tiny", path, "cpu").options
    assert (options.height, options.formula, options.latitudes_deg) == (64, "training", None)
    assert (options.seam, options.flip) == ("off", True)
    options = dp.load("blindspot-tiny", path, "cpu", height=None, formula="relative").options
    assert (options.height, options.formula) == (64, "relative")
    assert dp.load("blindspot-tiny", path, "cpu", height=128).options.height == 128


@pytest.mark.parametrize("said", ['{"heigth": 64}', "[64]", "{", '{"height": -1}'])
def test_headers_that_cannot_be_are_refused(said: str, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    save_network(
        build_network("blindspot-tiny"), path, metadata={"model": "blindspot-tiny", "options": said}
    )
    with pytest.raises(CheckpointError, match="options in its header"):
        dp.load("blindspot-tiny", path, "cpu")


@pytest.mark.parametrize("model", ["panda-tiny", "no-such-model", None])
def test_headers_of_other_families_say_nothing(model: str | None, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    header = {"options": '{"height": 64}'} | ({} if model is None else {"model": model})
    save_network(build_network("blindspot-tiny"), path, metadata=header)
    assert dp.load("blindspot-tiny", path, "cpu").options.height is None
