"""Parameter groups and schedule of ScaleDepth against the original."""

from __future__ import annotations

import json
import re

import pytest
import torch
from golden.scaledepth_reference import FOLDER

from depth_perception.systems.scaledepth.config import (
    SCALEDEPTH,
    SCALEDEPTH_REDUCED,
    UNUSED_IN_FILES,
)
from depth_perception.systems.scaledepth.network import ScaleDepth
from depth_perception.training.recipe import Clock, load_recipe
from depth_perception.training.scaledepth.task import (
    OptimRecipe,
    ScaleDepthTraining,
    learning_factors,
)

REFERENCE = json.loads((FOLDER / "optimizer.json").read_text())
RECIPES = ("scaledepth-n", "scaledepth-k", "scaledepth-nk")


def of_reference() -> dict[str, list[float]]:
    """(learning rate, weight decay) by official name, of what we train."""
    table = REFERENCE["lr_weight_decay"]
    return {n: v for n, v in table.items() if not n.startswith(UNUSED_IN_FILES)}


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_optimizer_of_the_recipes_is_that_of_the_original(recipe: str) -> None:
    network = ScaleDepth(SCALEDEPTH_REDUCED)
    training = ScaleDepthTraining(load_recipe(recipe), network)
    optimizer = training.configure_optimizers()
    assert type(optimizer).__name__ == REFERENCE["optimizer"]
    names = network.official_names()
    owners = {id(p): names[name] for name, p in network.named_parameters()}
    expected = of_reference()
    found = set()
    for group in optimizer.param_groups:
        assert list(group["betas"]) == REFERENCE["betas"]
        assert group["eps"] == REFERENCE["eps"]
        values = [training.recipe.optim.lr * group["rate"], group["weight_decay"]]
        for parameter in group["params"]:
            name = owners[id(parameter)]
            assert values == pytest.approx(expected[name], rel=1e-12), name
            found.add(name)
    assert found == set(expected)
    assert training.recipe.optim.clip == REFERENCE["clip_grad"]["max_norm"]


def test_the_full_network_follows_the_same_rules() -> None:
    with torch.device("meta"):
        network = ScaleDepth(SCALEDEPTH)
    optim, names = OptimRecipe(), network.official_names()
    expected = {family(name): values for name, values in of_reference().items()}
    found = {
        name: learning_factors(network, name, optim.encoder_lr)
        for name, _ in network.named_parameters()
    }
    assert {family(names[name]) for name in found} == set(expected)
    for name, motion in found.items():
        values = [optim.lr * motion.rate, optim.weight_decay * motion.decay]
        assert values == pytest.approx(expected[family(names[name])], rel=1e-12), name


def family(name: str) -> str:
    """The name without the numbers of layers and stages, which differ between the sizes."""
    return re.sub(r"(?<=(layers|stages|blocks)\.)\d+(?=\.)", "N", name)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_schedule_of_the_recipes_is_that_of_the_original(recipe: str) -> None:
    plan = load_recipe(recipe)
    clock = Clock(plan.run.steps)
    for step, value in REFERENCE["poly_lr_at_iteration"].items():
        factor = plan.optim.schedule.factor(int(step), clock.progress(int(step)))
        assert plan.optim.lr * factor == pytest.approx(value, rel=1e-9, abs=0)


def test_wrong_options_are_named() -> None:
    with pytest.raises(ValueError, match="encoder_lr"):
        OptimRecipe(encoder_lr=-1)
