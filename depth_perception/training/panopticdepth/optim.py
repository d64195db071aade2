"""What of PanopticDepth moves, and how (arXiv 2206.00468, section 4.1, and its released code)."""

from __future__ import annotations

from torch import nn

from ...systems.panopticdepth.network import PanopticDepth
from ..module import Motion


def motions(network: PanopticDepth) -> dict[str, Motion]:
    """By name of the parameter: all decay, biases included, but the weights of norms do not."""
    norms = (nn.GroupNorm, nn.BatchNorm2d)
    still = {f"{name}.weight" for name, part in network.named_modules() if isinstance(part, norms)}
    return {name: Motion(decay=float(name not in still)) for name, _ in network.named_parameters()}
