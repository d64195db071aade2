"""Pixel-Perfect Depth (arXiv 2510.07316): relative depth without flying pixels, by diffusion."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from .flow import sample, sampling_times
from .semantics import DepthAnythingSemantics, MogeSemantics
from .transformer import Modulations, SpDit

_KEPT_SCHEDULES = 4


class PixelPerfectDepth(nn.Module):
    """A diffusion transformer and the encoder whose tokens prompt it.

    The two belong together: each released transformer must run with the encoder it was trained
    with.
    """

    def __init__(self, dit: SpDit, semantics: DepthAnythingSemantics | MogeSemantics) -> None:
        super().__init__()
        self.dit = dit
        self.semantics = semantics
        self._schedules: OrderedDict[tuple, tuple[Modulations, ...]] = OrderedDict()

    def forward(
        self,
        images: Tensor,
        noise: Tensor,
        steps: int = 4,
        *,
        semantics: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> Tensor:
        """Relative depth (B, 1, H, W) float32, about 0 to 1, linear in log(depth + 1).

        It is not clamped: single values may be slightly outside of this range.

        Args:
            images: (B, 3, H, W) RGB in [0, 1], sides multiples of 16.
            noise: (B or 1, 1, H, W) standard normal, see
                :func:`~depth_perception.systems.ppd.flow.noise_field`.
            steps: evaluations of the transformer; more are sharper and slower.
            semantics: (B, T, C) tokens of the images; None computes them.
            precision: of the matrix products; angles, norms and the latent stay in float32.

        Raises:
            ValueError: sides, tokens, noise or steps do not fit.
        """
        expected = (1, *images.shape[-2:])
        if tuple(noise.shape[1:]) != expected or len(noise) not in (1, len(images)):
            raise ValueError(
                f"noise is {tuple(noise.shape)} for {len(images)} images of {expected[1]} x "
                f"{expected[2]}"
            )
        times = sampling_times(steps)
        with torch.autocast(images.device.type, precision, precision != torch.float32):
            tokens = self.semantics(images) if semantics is None else semantics
            scene = self.dit.scene(images - 0.5, tokens)
            plans = self.schedule(times, precision)
            latent = noise.to(images.device, torch.float32).expand(len(images), -1, -1, -1)
            end = sample(
                lambda now, index: self.dit.velocity(now, scene, plans[index]), latent, times
            )
        return end + 0.5

    def schedule(
        self, times: tuple[int, ...], precision: torch.dtype = torch.float32
    ) -> tuple[Modulations, ...]:
        """The vectors of each time-step, cached until the parameters change.

        All time-steps are evaluated together; nothing is cached while gradients are recorded.
        """
        weight = self.dit.t_embedder.mlp[0].weight
        version = 0 if weight.is_inference() else weight._version
        key = (times, precision, weight.device, weight.data_ptr(), version)
        if torch.is_grad_enabled() or key not in self._schedules:
            every = self.dit.modulations(torch.tensor(times, device=weight.device))
            plans = tuple(
                Modulations(every.blocks[:, i : i + 1], every.final[i : i + 1])
                for i in range(len(times))
            )
            if torch.is_grad_enabled():
                return plans
            self._schedules[key] = plans
            while len(self._schedules) > _KEPT_SCHEDULES:
                self._schedules.popitem(last=False)
        return self._schedules[key]
