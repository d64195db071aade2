"""MoGe-3 without its refiner: files and configuration."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from golden.cases import FOLDER
from golden.fill import fill_manifest, load_manifest

from depth_perception.systems import CheckpointError, build_network, card, load_network
from depth_perception.systems.moge.config import MogeConfig, MogeConfigError, released_config

HERE = FOLDER / "moge3"
CONFIG = json.loads((HERE / "model-config-moge3_tiny.json").read_text(encoding="utf-8"))
REFINER = load_manifest(HERE / "manifest-moge3_tiny-refiner.json")
MASK_TOKEN = "encoder.backbone.mask_token"


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return fill_manifest(load_manifest(HERE / "manifest-moge3_tiny.json"), 0)


def saved(path: Path, state: dict, config: dict = CONFIG) -> Path:
    torch.save({"model_config": config, "model": state}, path)
    return path


@pytest.mark.parametrize(
    ("name", "variant"), [("moge-3-tiny", "moge3_tiny"), ("moge-3-vitl", "moge-3-vitl")]
)
def test_every_parameter_has_its_official_name_and_shape(name: str, variant: str) -> None:
    with torch.device("meta"):
        network = build_network(name)
    ours = {key: list(value.shape) for key, value in network.state_dict().items()}
    manifest = load_manifest(HERE / f"manifest-{variant}.json")
    assert ours == {key: shape for key, (shape, _) in manifest.items()}
    assert sum(p.numel() for p in network.parameters()) == card(name).parameters


def test_the_refiner_is_left_out_and_named(
    state: dict, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path / "model.pt", state | fill_manifest(REFINER, 0))
    with caplog.at_level(logging.INFO, "depth_perception"):
        network = load_network("moge-3-tiny", path)
    assert f"the {len(REFINER)} parameters of refiner.* are left out" in caplog.text
    assert network.config.remap == "exp"
    del state[MASK_TOKEN]
    network = load_network("moge-3-tiny", saved(path, state))
    assert not network.state_dict()[MASK_TOKEN].any()


def test_a_released_configuration_is_the_one_of_moge_2() -> None:
    released = json.loads((HERE / "model-config-moge-3-vitl.json").read_text(encoding="utf-8"))
    assert MogeConfig.from_mapping(released) == released_config("vitl")
    without = {key: value for key, value in released.items() if not key.startswith("refiner")}
    with pytest.raises(MogeConfigError, match="lacks remap_output"):
        MogeConfig.from_mapping(without)


def test_other_files_are_refused_with_the_differing_names(state: dict, tmp_path: Path) -> None:
    value = state.pop("scale_head.0.bias")
    path = saved(tmp_path / "model.pt", {**state, "scale.bias": value})
    with pytest.raises(CheckpointError) as caught:
        load_network("moge-3-tiny", path)
    assert caught.value.missing == ("scale_head.0.bias",)
    assert caught.value.unexpected == ("scale.bias",)
    # without a refiner in the configuration its parameters are unexpected
    plain = {k: v for k, v in CONFIG.items() if not k.startswith("refiner")}
    plain["remap_output"] = "exp"
    state = {**state, "scale_head.0.bias": value, "refiner.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"unexpected: refiner\.weight"):
        load_network("moge-3-tiny", saved(path, state, plain))
