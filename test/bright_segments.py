"""Small networks whose output can be told by hand, for tests of segments with another's depth."""

from __future__ import annotations

from pathlib import Path

import torch

from depth_perception.systems import build_network, save_network
from depth_perception.systems.da3.network import DepthAnything3
from depth_perception.systems.eomt.network import Eomt

BRIGHT, DARK = "person", "wall-other-merged"
_GAIN = 10.0


@torch.no_grad()
def bright_eomt() -> Eomt:
    """``eomt-tiny`` for which bright pixels are a person and dark ones a wall."""
    network = build_network("eomt-tiny")
    names = [entry.name for entry in network.config.classes]
    for parameter in network.parameters():
        parameter.zero_()
    for module in network.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.weight.fill_(1.0)
    one = torch.eye(network.config.dim)
    # a patch is (brightness, -brightness, 10, -10, 0, ...): its norm hardly depends on the image
    vit = network.encoder.backbone
    mean = 1 / vit.patch_embed.proj.weight[0].numel()
    vit.patch_embed.proj.weight[0], vit.patch_embed.proj.weight[1] = mean, -mean
    vit.patch_embed.proj.bias[2], vit.patch_embed.proj.bias[3] = 10.0, -10.0
    for part in network.upscale:
        part.conv1.weight.copy_(one[:, :, None, None].expand_as(part.conv1.weight))
        part.conv2.weight[:, :, 1, 1] = 1.0
    # two queries, all others find nothing
    network.q.weight[0], network.q.weight[1] = 8 * one[5], 8 * one[6]
    network.class_head.bias[-1] = 5.0
    network.class_head.weight[names.index(BRIGHT)] = 10 * one[5]
    network.class_head.weight[names.index(DARK)] = 10 * one[6]
    for layer in (network.mask_head[0], network.mask_head[2]):
        layer.weight.copy_(one)
    bright = _GAIN * (one[0] - one[1])
    network.mask_head[4].weight.copy_(torch.outer(bright, one[5] - one[6]))
    return network.eval()


@torch.no_grad()
def ground_da3() -> DepthAnything3:
    """``da3-tiny`` with random parameters that sees no sky."""
    torch.manual_seed(0)
    network = build_network("da3-tiny")
    network.head.sky[2].bias.fill_(-100.0)
    return network.eval()


def save_pair(folder: Path) -> tuple[Path, Path]:
    """Weights files of :func:`bright_eomt` and :func:`ground_da3`."""
    paths = folder / "eomt.safetensors", folder / "da3.safetensors"
    for network, path in zip((bright_eomt(), ground_da3()), paths, strict=True):
        save_network(network, path)
    return paths
