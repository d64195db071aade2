"""PanDA (arXiv 2406.13378): Depth Anything V2 with LoRA in the encoder, trained on panoramas."""

from __future__ import annotations

from torch import Tensor, nn

from ...layers import add_lora, merge_lora
from ..depth_anything.config import DepthAnythingConfig
from ..depth_anything.network import DepthAnything


class Panda(DepthAnything):
    """The network of PanDA: depth (not inverse depth) in (0, ``max_depth``), larger is farther.

    Args:
        config: sizes of the network.
        max_depth: 1 for the relative models, metres for the metric ones.
        lora_rank: rank of the adapters on every qkv projection; the rest of the encoder is then
            frozen. None leaves the encoder plain and trainable.
    """

    prefix = "core."

    def __init__(
        self, config: DepthAnythingConfig, *, max_depth: float = 1.0, lora_rank: int | None = 4
    ) -> None:
        super().__init__(config, activation="sigmoid", max_depth=max_depth)
        self.lora_rank = lora_rank
        if lora_rank is not None:
            add_lora(self.encoder, lora_rank)

    def merge_lora(self) -> None:
        """Fold the adapters into the plain weights (for inference: faster, same values)."""
        merge_lora(self.encoder)
        self.lora_rank = None


class PandaHybrid(Panda):
    """Small PanDA: the finer maps of a :class:`HybridEncoder` are also passed to the head.

    Intended for data sets too small to train a plain ViT.

    Args:
        config: sizes of the network, with ``pyramid``.
        max_depth, lora_rank: as for :class:`Panda`.
    """

    def __init__(
        self, config: DepthAnythingConfig, *, max_depth: float = 1.0, lora_rank: int | None = None
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
