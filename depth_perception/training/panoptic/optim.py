"""What of PanopticDepth moves, and how (arXiv 2206.00468, section 4.1, and its released code)."""

from __future__ import annotations

from torch import nn

from ...networks.deform_conv import DeformConv
from ...systems.panopticdepth import PanopticDepth
from ..module import Motion


def motions(network: PanopticDepth, offsets_rate: float = 1.0) -> dict[str, Motion]:
    """By name of the parameter: all decay, biases included, but the weights of norms do not.

    Args:
        offsets_rate: learning rate of the offsets of deformable convolutions, times that of the
            rest.
    """
    norms = (nn.GroupNorm, nn.BatchNorm2d)
    still = {f"{name}.weight" for name, part in network.named_modules() if isinstance(part, norms)}
    offsets = {id(p) for layer in _deformable(network) for p in layer.offsets.parameters()}
    return {
        name: Motion(offsets_rate if id(p) in offsets else 1.0, float(name not in still))
        for name, p in network.named_parameters()
    }


def centre_offsets(network: PanopticDepth) -> None:
    """Let deformable convolutions begin as ordinary ones, as in Zhu et al. (arXiv 1811.11168)."""
    for layer in _deformable(network):
        nn.init.zeros_(layer.offsets.weight)
        nn.init.zeros_(layer.offsets.bias)


def _deformable(network: PanopticDepth) -> list[DeformConv]:
    return [part for part in network.modules() if isinstance(part, DeformConv)]
