"""The initial network of a recipe."""

from __future__ import annotations

import math

import torch

from ...networks import VitEncoder, add_lora
from ...systems import build_network, load_network
from ...systems.depth_anything.network import DepthAnything
from ...systems.panda.network import Panda
from ..networks import known_card
from ..strict_mapping import RecipeError
from .recipe import PandaRecipe

_LORA_RANK = 4


def trainable_network(recipe: PandaRecipe) -> Panda:
    """The network of a recipe with its initial parameters; those that are not trained are frozen.

    Raises:
        RecipeError: no such model, or this recipe cannot train it.
        CheckpointError: the checkpoint does not fit.
    """
    model = recipe.model
    _check(recipe)
    scale = recipe.data.max_depth_m if recipe.data.target == "metric" else 1.0
    torch.manual_seed(recipe.run.seed)
    network = build_network(model.name, lora_rank=None, max_depth=scale)
    if model.checkpoint is None:
        spherical_positions(network.encoder)
        quiet_start(network)
    else:
        start = load_network(
            model.start or model.name, model.checkpoint, merge_lora=model.train != "lora"
        )
        if getattr(start, "lora_rank", None) == _LORA_RANK:  # continue with these branches
            _adapt(network)
        try:
            network.load_state_dict(start.state_dict())
        except RuntimeError as error:
            raise RecipeError(
                f"model.start: {model.start or model.name} lacks the layers of {model.name}: "
                f"{error}"
            ) from error
    if model.train == "lora" and network.lora_rank is None:
        _adapt(network)
    return network.train()


def _adapt(network: Panda) -> None:
    """Add LoRA branches, initially without effect, and freeze the rest of the encoder."""
    add_lora(network.encoder, _LORA_RANK)
    network.lora_rank = _LORA_RANK


def _check(recipe: PandaRecipe) -> None:
    """Reject models whose weights would not match their card in the catalogue."""
    model, data = recipe.model, recipe.data
    known = known_card(model.name)
    known_card(model.start or model.name, "model.start")
    with torch.device("meta"):
        trains = isinstance(build_network(model.name), Panda)
    if not trains:
        raise RecipeError(
            f"model.name: {model.name} cannot be trained, only PanDA can; to start from the "
            "weights of Depth Anything V2 name them in model.start and model.checkpoint"
        )
    if model.train == "lora" and model.checkpoint is None:
        raise RecipeError("model.train: lora freezes the encoder, so it requires model.checkpoint")
    if known.is_metric and (data.target != "metric" or data.max_depth_m != known.max_depth_m):
        raise RecipeError(
            f"data: {model.name} returns metres up to {known.max_depth_m:g}, so it needs target "
            f"metric and max_depth_m {known.max_depth_m:g}, not {data.target} and "
            f"{data.max_depth_m:g}"
        )


@torch.no_grad()
def spherical_positions(encoder: VitEncoder, frequency: float = 3.0, size: float = 0.3) -> None:
    """Initialise the position embedding by random waves of the viewing direction of each patch.

    Patches that are close on the sphere, also across the seam, get similar embeddings: Rahimi and
    Recht, "Random Features for Large-Scale Kernel Machines", on unit vectors.
    """
    rows, columns = encoder.native_grid
    latitude = (torch.arange(rows) + 0.5) / rows * math.pi - math.pi / 2
    longitude = (torch.arange(columns) + 0.5) / columns * 2 * math.pi - math.pi
    lat, lon = torch.meshgrid(latitude, longitude, indexing="ij")
    rays = torch.stack((lat.cos() * lon.sin(), lat.sin(), lat.cos() * lon.cos()), -1)
    dim = encoder.pos_embed.shape[-1]
    phases = 2 * math.pi * torch.rand(dim)
    waves = torch.sin(rays.flatten(0, 1) @ (frequency * torch.randn(3, dim)) + phases)
    encoder.pos_embed[0, 1:] = size * waves


@torch.no_grad()
def quiet_start(network: DepthAnything, fraction: float = 0.1, layer_scale: float = 0.1) -> None:
    """Initialise to about ``fraction`` of the largest depth, with weak residual branches.

    This keeps the output stable in the first large steps and permits a higher learning rate.
    """
    for block in network.encoder.blocks:
        block.ls1.gamma.fill_(layer_scale)
        block.ls2.gamma.fill_(layer_scale)
    for fusion in network.head.fuse:
        torch.nn.init.zeros_(fusion.skip.conv2.weight)
        torch.nn.init.zeros_(fusion.refine.conv2.weight)
    last = network.head.out[2]
    last.weight.mul_(0.3)
    last.bias.fill_(math.log(fraction / (1 - fraction)))
