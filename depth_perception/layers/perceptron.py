"""Linear layers with activations between them."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def perceptron(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """A linear layer from each of the widths to the next, activations between them."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), activation()]
    return nn.Sequential(*layers[:-1])
