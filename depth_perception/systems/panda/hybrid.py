"""PanDA's architecture in small, with convolutions where data is too scarce for a plain ViT."""

from __future__ import annotations

from torch import Tensor, nn

from ..depth_anything.config import DepthAnythingConfig
from .network import Panda


class PandaHybrid(Panda):
    """:class:`Panda` on a :class:`HybridEncoder`, whose finer maps also reach the head directly.

    Args:
        config: sizes of the network, with ``pyramid``.
        max_depth, lora_rank: as for :class:`Panda`.
    """

    def __init__(
        self,
        config: DepthAnythingConfig,
        *,
        max_depth: float = 1.0,
        lora_rank: int | None = None,
    ) -> None:
        if config.pyramid is None:
            raise ValueError("a hybrid network needs the widths of its pyramid")
        super().__init__(config, max_depth=max_depth, lora_rank=lora_rank)
        _, fine, middle = config.pyramid
        self.skip = nn.ModuleList(nn.Conv2d(c, config.features, 1) for c in (fine, middle))

    def logits(self, images: Tensor, *, circular: bool = False) -> Tensor:
        """Map (B, 1, H, W) before the last activation."""
        grid = self.encoder.grid_of(*images.shape[-2:])
        images = images.to(self.encoder.cls_token.dtype)
        taps, maps = self.encoder.with_maps(images, circular)
        precision = self.head.neck.weight.dtype
        skips = [s(m.to(precision)) for s, m in zip(self.skip, maps[:2], strict=True)]
        tokens = [tap.patches.to(precision) for tap in taps]
        return self.head(tokens, grid, skips=skips, circular=circular)
