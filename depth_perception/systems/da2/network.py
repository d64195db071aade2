"""DA2 (arXiv 2509.26618): DINOv2, cross-attention to the sphere, and a convolutional decoder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers import VitEncoder, resize_map
from ...layers.padding import pad_around, padded_conv
from ..names import NameRule, OfficialNames
from .config import Da2Config
from .sphere import WHOLE, View, sphere_embedding

_EPS = 1e-5
_LOG_LIMIT, _LOG_OFFSET = 8.0, 2.0
_OUTPUT_HIDDEN = 32
_RULES = (
    NameRule("encoder", "dino"),
    NameRule("aligners", "vit_w_esphere.dim_aligner.aligners"),
    NameRule("decoder.condition.{0}", "decoder.prompt_camera.{0}.layers.0"),
    NameRule("decoder.head", "decoder.pred_head.2"),
    NameRule("decoder", "vit_w_esphere._vit_w_esphere"),
)


class Da2Encoder(VitEncoder):
    """DINOv2 whose positions are resampled by the ratio of the sizes.

    ``register_tokens`` is never used; released files hold it.
    """

    def __init__(self, config: Da2Config) -> None:
        sizes = (config.dim, config.depth, config.heads, config.taps)
        super().__init__(*sizes, eps=_EPS, position_offset=0)
        self.register_tokens = nn.Parameter(torch.zeros(1, 1, config.dim))


class Perceptron(nn.Module):
    """Norm and two layers on (..., C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=_EPS)
        self.proj1 = nn.Linear(dim, 4 * dim)
        self.proj2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj2(F.gelu(self.proj1(self.norm(x))))


class SphereAttention(nn.Module):
    """Image tokens attend to the embedding of the sphere, then a perceptron."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attnx = nn.LayerNorm(dim, eps=_EPS)
        self.norm_attnctx = nn.LayerNorm(dim, eps=_EPS)
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.mlp = Perceptron(dim)

    def forward(self, tokens: Tensor, sphere: Tensor) -> Tensor:
        """(B, N, C) tokens and (1, M, C) embedding to (B, N, C)."""
        query = self.q(self.norm_attnx(tokens)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        pair = self.kv(self.norm_attnctx(sphere)).unflatten(-1, (2, self.heads, -1))
        key, value = pair.permute(2, 0, 3, 1, 4).expand(-1, len(tokens), -1, -1, -1)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        tokens = tokens + self.out(mixed)
        return tokens + self.mlp(tokens)


class ResidualUnit(nn.Module):
    """x + gamma * conv(leaky(conv(leaky(x)))) on (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((1, channels, 1, 1), 1e-4))
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, circular: bool = False) -> Tensor:
        inner = padded_conv(self.conv1, F.leaky_relu(x), circular)
        return x + self.gamma * padded_conv(self.conv2, F.leaky_relu(inner), circular)


class UpSampler(nn.Module):
    """Two residual units, then twice the size."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(ResidualUnit(channels) for _ in range(2))
        self.up = nn.Sequential(nn.Conv2d(channels, channels_out, 1))

    def forward(self, x: Tensor, circular: bool = False) -> Tensor:
        """(B, C, H, W) to (B, C', 2 H, 2 W)."""
        for unit in self.convs:
            x = unit(x, circular)
        size = (2 * x.shape[-2], 2 * x.shape[-1])
        return resize_map(self.up(x), size, circular, align_corners=False)


class ReflectConv2d(nn.Conv2d):
    """3 x 3 convolution that mirrors the map at its border, or goes round it sideways."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__(channels, channels_out, 3)

    def forward(self, x: Tensor, circular: bool = False) -> Tensor:
        if circular:
            return super().forward(F.pad(pad_around(x, 1), (0, 0, 1, 1), mode="reflect"))
        return super().forward(F.pad(x, (1, 1, 1, 1), mode="reflect"))


class Da2Decoder(nn.Module):
    """Aligned tokens of four taps to a map at the size of the image.

    The parts with ``confidence`` in their names are never used; released files hold them.
    """

    def __init__(self, hidden: int, heads: int, out_dim: int) -> None:
        super().__init__()
        widths = (hidden, hidden, hidden // 2, hidden // 4)
        self.condition = nn.ModuleList(SphereAttention(hidden, heads) for _ in widths)
        self.to_latents = nn.Linear(hidden, hidden)
        self.process_features = nn.ModuleList(
            nn.ConvTranspose2d(hidden, width, 2**stage, 2**stage)
            for stage, width in enumerate(widths[:3])
        )
        self.up_sampler = nn.ModuleList(UpSampler(*pair) for pair in pairwise(widths))
        last = widths[3]
        self.head = nn.Sequential(nn.LayerNorm(last, eps=_EPS), nn.Linear(last, last))
        self.to_depth_lr = ReflectConv2d(last, out_dim)
        self.to_confidence_lr = ReflectConv2d(last, out_dim)
        self.to_depth_hr = _output(out_dim)
        self.to_confidence_hr = _output(out_dim)

    def forward(
        self,
        taps: Sequence[Tensor],
        sphere: Tensor,
        grid: tuple[int, int],
        size: tuple[int, int],
        circular: bool = False,
    ) -> Tensor:
        """Map (B, 1, *size) of four token sets (B, rows * columns, C)."""
        first, *others = (
            attend(tokens, sphere) for attend, tokens in zip(self.condition, taps, strict=True)
        )
        x = self.to_latents(first).mT.unflatten(2, grid)
        for tokens, process, up in zip(others, self.process_features, self.up_sampler, strict=True):
            x = up(x + process(tokens.mT.unflatten(2, grid)), circular)
        x = self.head(x.movedim(1, -1)).movedim(-1, 1)
        x = resize_map(self.to_depth_lr(x, circular), size, circular)
        first_conv, activation, last_conv = self.to_depth_hr
        return last_conv(activation(first_conv(x, circular)))


class Da2(OfficialNames, nn.Module):
    """The network of DA2: range up to one factor."""

    input_range = (-2.1, 2.6)
    rules = _RULES

    def __init__(self, config: Da2Config) -> None:
        super().__init__()
        self.config = config
        self.encoder = Da2Encoder(config)
        self.aligners = nn.ModuleList(nn.Linear(config.dim, config.hidden) for _ in config.taps)
        self.decoder = Da2Decoder(config.hidden, config.decoder_heads, config.out_dim)

    def forward(self, images: Tensor, *, circular: bool = False, view: View = WHOLE) -> Tensor:
        """Range (B, 1, H, W), before its normalisation, of normalised RGB images (B, 3, H, W).

        Args:
            images: sides multiples of 14, ImageNet mean and deviation removed. They are cast to
                the precision of the encoder; the decoder runs in its own.
            circular: the left and right border meet.
            view: angles of the borders of the images.
        """
        log_range = self.log_range(images, circular=circular, view=view)
        return (log_range.float().clamp(-_LOG_LIMIT, _LOG_LIMIT) + _LOG_OFFSET).exp()

    def log_range(self, images: Tensor, *, circular: bool = False, view: View = WHOLE) -> Tensor:
        """Output (B, 1, H, W) of the decoder."""
        grid = self.encoder.grid_of(*images.shape[-2:])
        taps = self.encoder(images.to(self.encoder.cls_token.dtype))
        precision = self.aligners[0].weight.dtype
        tokens = [
            align(tap.patches.to(precision)) for align, tap in zip(self.aligners, taps, strict=True)
        ]
        sphere = sphere_embedding(
            grid, self.encoder.patch_size, self.config.hidden, view, images.device
        )
        size = tuple(images.shape[-2:])
        return self.decoder(tokens, sphere.to(precision), grid, size, circular)


def _output(channels: int) -> nn.Sequential:
    hidden = _OUTPUT_HIDDEN
    return nn.Sequential(ReflectConv2d(channels, hidden), nn.LeakyReLU(), nn.Conv2d(hidden, 1, 1))
