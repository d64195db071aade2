"""Networks for benches: with weights, or with random ones whose maps vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.lora import LoraQkv
from ..systems import build_network, card, load_network, system_of, weights_path
from .options import Network

_FEW_TOKENS = 32
_Layers = tuple[tuple[nn.Module, float], ...]


def _dpt(network: Any) -> _Layers:
    return ((network.head.out[2], 1.0),)


def _eomt(network: Any) -> _Layers:
    return (network.class_head, 4.0), (network.mask_head[4], 3.0 * network.config.dim**-0.5)


# By system: the last layers, and the standard deviation that their output gets. Those of a new
# network give nearly the same value everywhere.
LAST_LAYERS: Mapping[str, Callable[[Any], _Layers]] = {
    "depth_anything": _dpt,
    "panda": _dpt,
    "da360": _dpt,
    "dap": lambda network: ((network.depth.out[2], 1.0), (network.mask.out[2], 1.0)),
    "da2": lambda network: ((network.decoder.to_depth_hr[2], 1.0),),
    "da3": lambda network: ((network.head.out[2], 1.0), (network.head.sky[2], 0.2)),
    "moge": lambda network: ((network.points_head.output_blocks[-1], 0.3),),
    "eomt": _eomt,
    "panolite": lambda network: ((network.head, 0.5),),
}


def bench_networks(options: Network, device: torch.device) -> tuple[nn.Module, str]:
    """The network with adapters apart, if it has any, and where its weights are from."""
    path = options.checkpoint or weights_path(options.model)
    if not options.random_weights and (options.checkpoint or weights_path(options.model).is_file()):
        network = load_network(options.model, path, device=device, merge_lora=False)
        return network.requires_grad_(False), options.checkpoint or "fetched"
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(options.seed)
        network = build_network(options.model).eval()
        for module in network.modules():
            if isinstance(module, LoraQkv):  # new adapters add nothing
                nn.init.normal_(module.linear_b_q.weight, std=0.02)
                nn.init.normal_(module.linear_b_v.weight, std=0.02)
        _spread(options.model, network)
    return network.to(device).requires_grad_(False), "random"


def bench_input(network: Any, size: tuple[int, int]) -> Tensor:
    """A random input (1, 3, *size) in the range of a network."""
    low, high = network.input_range
    if low < 0:  # normalised images
        return torch.randn(1, 3, *size)
    return low + (high - low) * torch.rand(1, 3, *size)


def small_call(name: str, network: Any) -> tuple[Tensor, dict[str, Any]]:
    """A small input of a model, and further arguments of its network; EoMT has one size only."""
    system, patch = system_of(name).name, card(name).patch_size
    size = network.config.size if system == "eomt" else (4 * patch, 8 * patch)
    return bench_input(network, size), {"num_tokens": _FEW_TOKENS} if system == "moge" else {}


def _spread(name: str, network: nn.Module) -> None:
    layers = LAST_LAYERS[system_of(name).name](network)
    found: dict[nn.Module, Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda layer, _, output: found.update({layer: output.std()}))
        for layer, _ in layers
    ]
    images, arguments = small_call(name, network)
    network(images, **arguments)
    for layer, deviation in layers:
        layer.weight.mul_(deviation / found[layer])
    for hook in hooks:
        hook.remove()
