"""Networks that training starts from."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from ..systems import build_network, card, load_network
from ..systems.card import ModelCard
from .recipe import Recipe
from .strict_mapping import RecipeError, errors_of

N = TypeVar("N", bound=nn.Module)


def known_card(name: str, key: str = "model.name") -> ModelCard:
    """The card of a model that a recipe names under a key. Raises RecipeError: no such model."""
    with errors_of(key, KeyError):
        return card(name)


def seeded_network(recipe: Recipe, kind: type[N]) -> N:
    """The network of a recipe in training mode; random parameters depend on ``run.seed``. Raises
    RecipeError: no such model, or one of another task. CheckpointError: weights do not fit."""
    model = recipe.model
    known_card(model.name)
    with torch.device("meta"):
        if not isinstance(build_network(model.name), kind):
            raise RecipeError(f"model.name: {model.name} is not trained by task {recipe.task}")
    torch.manual_seed(recipe.run.seed)
    network = build_network(model.name)
    if model.checkpoint is not None:
        network = load_network(model.name, model.checkpoint).requires_grad_(True)
    return network.train()
