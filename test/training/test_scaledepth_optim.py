"""Parameter groups and schedule of ScaleDepth against the original."""

from __future__ import annotations

import json
import re

import pytest
import torch
from golden.scaledepth_reference import FOLDER

from depth_perception.systems.scaledepth import ScaleDepth
from depth_perception.systems.scaledepth_config import (
    SCALEDEPTH,
    SCALEDEPTH_REDUCED,
    UNUSED_IN_FILES,
)
from depth_perception.training.scaledepth_optim import (
    ScaleDepthOptim,
    poly_factor,
    scaledepth_groups,
    scaledepth_optimizer,
)

REFERENCE = json.loads((FOLDER / "optimizer.json").read_text())


def settings(network: ScaleDepth) -> dict[str, list[float]]:
    """(learning rate, weight decay) of every parameter by its official name."""
    names = network.official_names()
    owners = {id(p): names[name] for name, p in network.named_parameters()}
    return {
        owners[id(p)]: [group["lr"], group["weight_decay"]]
        for group in scaledepth_groups(network, ScaleDepthOptim())
        for p in group["params"]
    }


def of_reference() -> dict[str, list[float]]:
    table = REFERENCE["lr_weight_decay"]
    return {n: v for n, v in table.items() if not n.startswith(UNUSED_IN_FILES)}


def test_groups_of_the_reduced_network_equal_the_original() -> None:
    with torch.device("meta"):
        actual = settings(ScaleDepth(SCALEDEPTH_REDUCED))
    expected = of_reference()
    assert set(actual) == set(expected)
    for name, values in expected.items():
        assert actual[name] == pytest.approx(values, rel=1e-12), name


def test_groups_of_the_full_network_follow_the_same_rules() -> None:
    with torch.device("meta"):
        network = ScaleDepth(SCALEDEPTH)
        actual = settings(network)
    assert len(actual) == len(list(network.parameters()))
    expected = {family(name): values for name, values in of_reference().items()}
    assert {family(name) for name in actual} == set(expected)
    for name, values in actual.items():
        assert values == pytest.approx(expected[family(name)], rel=1e-12), name


def family(name: str) -> str:
    """The name without the numbers of layers and stages, which differ between the sizes."""
    return re.sub(r"(?<=(layers|stages|blocks)\.)\d+(?=\.)", "N", name)


def test_optimizer_is_that_of_the_original() -> None:
    optimizer = scaledepth_optimizer(ScaleDepth(SCALEDEPTH_REDUCED), ScaleDepthOptim())
    assert type(optimizer).__name__ == REFERENCE["optimizer"]
    assert list(optimizer.defaults["betas"]) == REFERENCE["betas"]
    assert optimizer.defaults["eps"] == REFERENCE["eps"]
    assert ScaleDepthOptim().clip == REFERENCE["clip_grad"]["max_norm"]


def test_frozen_parameters_are_in_no_group() -> None:
    network = ScaleDepth(SCALEDEPTH_REDUCED)
    network.encoder.requires_grad_(False)
    names = [group["name"] for group in scaledepth_groups(network, ScaleDepthOptim())]
    assert names == ["decoder", "decoder_without_decay"]


def test_schedule_is_that_of_the_original() -> None:
    for step, value in REFERENCE["poly_lr_at_iteration"].items():
        assert 1e-4 * poly_factor(int(step), 40_000, 0.9) == pytest.approx(value, rel=1e-9, abs=0)
    assert poly_factor(0, 1, 0.9) == 1


def test_wrong_options_are_named() -> None:
    with pytest.raises(ValueError, match="clip"):
        ScaleDepthOptim(clip=0)
    with pytest.raises(ValueError, match="lr must be positive"):
        ScaleDepthOptim(lr=0)
