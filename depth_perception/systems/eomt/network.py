"""EoMT (arXiv 2503.19108): a ViT whose last blocks also process learned queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ..image_input import IMAGENET_MEAN, IMAGENET_STD
from ..names import OfficialNames
from .config import PATCH, EomtConfig

PREFIX = "network."
_REGISTERS = 4
_PREFIX_TOKENS = 1 + _REGISTERS
_ENLARGEMENTS = 2  # each doubles the patch grid
_EPS = 1e-6


class EomtMaps(NamedTuple):
    """A prediction for images (B, 3, H, W).

    Attributes:
        masks: (B, queries, H / 4, W / 4) logits.
        classes: (B, queries, classes + 1) logits; the last one is no object.
    """

    masks: Tensor
    classes: Tensor


class Enlargement(nn.Module):
    """(B, C, H, W) to (B, C, 2 H, 2 W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm = nn.LayerNorm(channels, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(F.gelu(self.conv1(x)))
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class Encoder(nn.Module):
    """DINOv2 with registers for one image size; only patches have a position."""

    def __init__(self, config: EomtConfig) -> None:
        super().__init__()
        self.backbone = VisionTransformer(
            img_size=config.size,
            patch_size=PATCH,
            num_classes=0,
            global_pool="",
            embed_dim=config.dim,
            depth=config.depth,
            num_heads=config.heads,
            init_values=1.0,
            reg_tokens=_REGISTERS,
            no_embed_class=True,
            norm_layer=partial(nn.LayerNorm, eps=_EPS),
        )

    def embed(self, images: Tensor) -> Tensor:
        """Class, register and patch tokens (B, 5 + N, D) of images (B, 3, H, W) of 0 to 255."""
        mean, std = (
            torch.tensor(values, device=images.device)[:, None, None]
            for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        vit = self.backbone
        images = ((images.float() / 255 - mean) / std).to(vit.cls_token.dtype)
        patches = vit.patch_embed(images) + vit.pos_embed
        count = len(patches)
        first = (token.expand(count, -1, -1) for token in (vit.cls_token, vit.reg_token))
        return torch.cat((*first, patches), 1)


class Eomt(OfficialNames, nn.Module):
    """The network. Parameter names are the official ones without their prefix."""

    input_range = (0.0, 255.0)
    output_types = (EomtMaps,)
    prefix = PREFIX

    def __init__(self, config: EomtConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.encoder = Encoder(config)
        self.q = nn.Embedding(config.queries, dim)
        self.class_head = nn.Linear(dim, len(config.classes) + 1)
        self.mask_head = nn.Sequential(
            nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim)
        )
        self.upscale = nn.Sequential(*(Enlargement(dim) for _ in range(_ENLARGEMENTS)))

    def forward(self, images: Tensor) -> EomtMaps:
        """The prediction for RGB images (B, 3, *config.size) of 0 to 255.

        The encoder runs in its own precision, the heads in theirs.

        Raises:
            ValueError: the images have another size.
        """
        plain, queried = self._blocks()
        tokens = self._embedded(images)
        for block in plain:
            tokens = block(tokens)
        tokens = self._with_queries(tokens)
        for block in queried:
            tokens = block(tokens)
        return self.predict(tokens)

    def masked(self, images: Tensor, shares: Sequence[float]) -> Iterator[EomtMaps]:
        """The predictions before each block with queries and after the last, as in training.

        In each of these blocks a query sees only the patches of its mask.

        Args:
            images: as for :meth:`forward`.
            shares: for each of the blocks, the share of the queries whose mask is applied.
        """
        plain, queried = self._blocks()
        tokens = self._embedded(images)
        for block in plain:
            tokens = block(tokens)
        tokens = self._with_queries(tokens)
        for block, share in zip(queried, shares, strict=True):
            prediction = self.predict(tokens)
            yield prediction
            tokens = block(tokens, attn_mask=self.attention_mask(prediction.masks, share))
        yield self.predict(tokens)

    def attention_mask(self, masks: Tensor, share: float) -> Tensor:
        """(B, 1, T, T) bool, true where a token sees another, from mask logits of all queries."""
        grid, count = self.config.grid, self.config.queries
        seen = F.interpolate(masks, grid, mode="bilinear", align_corners=False).flatten(2) > 0
        free = torch.rand(seen.shape[:2], device=seen.device) > share
        seen |= free[..., None]
        total = count + _PREFIX_TOKENS + seen.shape[-1]
        mask = torch.ones((len(seen), 1, total, total), dtype=torch.bool, device=seen.device)
        mask[:, 0, :count, count + _PREFIX_TOKENS :] = seen
        return mask

    def predict(self, tokens: Tensor) -> EomtMaps:
        """The prediction from the tokens (B, queries + 5 + N, D) before the last norm."""
        tokens = self.encoder.backbone.norm(tokens).to(self.class_head.weight.dtype)
        queries, patches = tokens[:, : self.config.queries], tokens[:, self.config.queries :]
        maps = patches[:, _PREFIX_TOKENS:].mT.unflatten(2, self.config.grid)
        maps = self.upscale(maps)
        masks = (self.mask_head(queries) @ maps.flatten(2)).unflatten(2, maps.shape[-2:])
        return EomtMaps(masks, self.class_head(queries))

    def _embedded(self, images: Tensor) -> Tensor:
        if tuple(images.shape[-2:]) != tuple(self.config.size):
            height, width = images.shape[-2:]
            raise ValueError(
                f"network input is {height} x {width}, but this network takes only "
                "{} x {}".format(*self.config.size)
            )
        return self.encoder.embed(images)

    def _blocks(self) -> tuple[Sequence[nn.Module], Sequence[nn.Module]]:
        """The blocks without and with queries."""
        blocks = self.encoder.backbone.blocks
        first = len(blocks) - self.config.query_blocks
        return blocks[:first], blocks[first:]

    def _with_queries(self, tokens: Tensor) -> Tensor:
        queries = self.q.weight.to(tokens.dtype).expand(len(tokens), -1, -1)
        return torch.cat((queries, tokens), 1)
