"""How ScaleDepth is optimised: groups of parameters and the learning rate of a step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ..systems.scaledepth import ScaleDepth

_EMBEDDINGS = ("queries.content.", "queries.position.", "queries.level.")


@dataclass(frozen=True)
class ScaleDepthOptim:
    """AdamW as the authors ran it.

    Attributes:
        lr: first learning rate of the decoders.
        encoder_lr: factor of it for the encoder.
        weight_decay: of everything in the encoder, and in the decoders of everything but
            normalisations and query and level embeddings.
        power: the learning rate falls as (1 - step / last step) to this power.
        clip: largest norm of the gradient.
    """

    lr: float = 1e-4
    encoder_lr: float = 0.1
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    power: float = 0.9
    clip: float | None = 0.01

    def __post_init__(self) -> None:
        if not self.lr > 0 or not self.encoder_lr >= 0:
            raise ValueError(
                f"lr must be positive and encoder_lr not negative, got {self.lr} and "
                f"{self.encoder_lr}"
            )
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip must be positive or null, got {self.clip}")


def scaledepth_groups(network: ScaleDepth, optim: ScaleDepthOptim) -> list[dict]:
    """Groups for a torch optimiser: ``name``, ``params``, ``lr`` and ``weight_decay`` of each.

    As in the authors' run, the biases and the scales of the encoder's normalisations decay too.
    Parameters that need no gradient are left out.
    """
    plain = _without_decay(network)
    groups: dict[str, dict] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("encoder."):
            part, factor, decay = "encoder", optim.encoder_lr, optim.weight_decay
        elif name in plain:
            part, factor, decay = "decoder_without_decay", 1.0, 0.0
        else:
            part, factor, decay = "decoder", 1.0, optim.weight_decay
        group = {"name": part, "params": [], "lr": optim.lr * factor, "weight_decay": decay}
        groups.setdefault(part, group)["params"].append(parameter)
    return list(groups.values())


def scaledepth_optimizer(network: ScaleDepth, optim: ScaleDepthOptim) -> torch.optim.AdamW:
    """AdamW over :func:`scaledepth_groups`."""
    return torch.optim.AdamW(scaledepth_groups(network, optim), betas=optim.betas, eps=1e-8)


def poly_factor(step: int, steps: int, power: float) -> float:
    """Share of the first learning rate at a step from 0 on; 0 at the last of ``steps``."""
    last = max(1, steps - 1)
    return max(0.0, 1 - step / last) ** power


def _without_decay(network: ScaleDepth) -> set[str]:
    """Names of the decoders' parameters that do not decay."""
    names = {n for n, _ in network.named_parameters() if n.startswith(_EMBEDDINGS)}
    for path, module in network.named_modules():
        if isinstance(module, (nn.LayerNorm, nn.GroupNorm)) and not path.startswith("encoder."):
            names |= {f"{path}.{name}" for name, _ in module.named_parameters(recurse=False)}
    return names
