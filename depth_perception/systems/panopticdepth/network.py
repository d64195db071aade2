"""The network of PanopticDepth (Gao et al., CVPR 2022, arXiv 2206.00468).

Panoptic FCN (arXiv 2012.00720) with a depth branch: every position of the feature pyramid holds
the kernels of the mask and of the depth of the segment it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise, product
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from ...layers.padding import check_multiples
from ..names import NameRule, OfficialNames
from .config import MAX_RANGE_M, MAX_SHIFT_M, MULTIPLE, PANOPTICDEPTH, PanopticDepthConfig
from .deform_conv import DeformConv
from .fpn import FeaturePyramid, SemanticPyramid
from .resnet import NormedConv, ResNet

_PRIOR_BIAS = -2.19  # probability 0.1 at the start
_RULES = (
    NameRule("backbone.stem", "backbone.bottom_up.stem.conv1"),
    NameRule("backbone.stages.{0}", "backbone.bottom_up.res{2}"),
    NameRule("pyramid.lateral.{0}", "backbone.fpn_lateral{2}"),
    NameRule("pyramid.output.{0}", "backbone.fpn_output{2}"),
    NameRule("pyramid.coarser.{0}", "backbone.top_block.p{6}"),
    *(
        NameRule(f"semantic.levels.{level}.{step}", f"semantic_fpn.p{level + 2}.{2 * step}")
        for level, step in product(range(4), range(3))
    ),
    NameRule("mask_encoder.stack.{0}", "feature_encoder.encode_head.encode_head_head_{1}"),
    NameRule("depth_encoder.stack.{0}", "depth_encode_head.encode_head.depth_encode_head_head_{1}"),
    NameRule("depth_encoder.out", "depth_encode_head.embed_extractor"),
    NameRule("position.stack.{0}", "position_head.position_head.position_head_head_{1}"),
    NameRule("position.things", "position_head.out_inst"),
    NameRule("position.stuff", "position_head.out_sem"),
    NameRule("kernel.stack.{0}", "kernel_head.kernel_head.kernel_head_head_{1}"),
    NameRule("kernel.out", "kernel_head.out_conv"),
    NameRule(
        "depth_kernel.stack.{0}", "depth_kernel_head.depth_kernel_head.depth_kernel_head_head_{1}"
    ),
    NameRule("depth_kernel.out", "depth_kernel_head.out_depth_kernel"),
    NameRule("thing_embedding", "thing_generator.embed_extractor"),
    NameRule("stuff_embedding", "stuff_generator.embed_extractor"),
)
DEPTH_PARTS = ("depth_encoder.", "depth_kernel.")  # beginnings of our names


class PanopticFeatures(NamedTuple):
    """Output for images (B, 3, H, W); levels have strides 8, 16, 32, 64 and 128.

    Attributes:
        things: (B, things, h, w) logits of every level: centre of an object.
        stuff: (B, classes, h, w) logits of every level: the position belongs to the class.
        kernels: (B, C, h, w) of every level: vectors whose embedding is the kernel of a mask.
        depth_kernels: (B, 2 + E, h, w) float32 of every level: shift, range and kernel of depth;
            empty without depth.
        masks: (B, C, H / 4, W / 4) embedding that kernels of masks are multiplied with.
        depths: (B, E, H / 4, W / 4) float32 embedding for kernels of depth, or None.
    """

    things: tuple[Tensor, ...]
    stuff: tuple[Tensor, ...]
    kernels: tuple[Tensor, ...]
    depth_kernels: tuple[Tensor, ...]
    masks: Tensor
    depths: Tensor | None

    def image(self, index: int) -> PanopticFeatures:
        """The features of one image, as a batch of one."""

        def pick(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(map(pick, value))
            return None if value is None else value[index : index + 1]

        return PanopticFeatures(*map(pick, self))


class PanopticDepth(OfficialNames, nn.Module):
    """Features from which segments and their depth are made.

    Args:
        config: sizes of the network.
    """

    rules = _RULES
    input_range = (-2.1, 2.6)
    output_types = (PanopticFeatures,)

    def __init__(self, config: PanopticDepthConfig = PANOPTICDEPTH) -> None:
        super().__init__()
        self.config = config
        width = config.head
        group_norm = partial(nn.GroupNorm, config.groups)
        stack = partial(_Stack, channels=width, layers=config.layers)
        self.backbone = ResNet(
            config.blocks,
            stem=config.stem,
            inner=config.bottleneck,
            outer=config.stage,
            norm=FrozenBatchNorm2d if config.norm == "frozen" else nn.BatchNorm2d,
        )
        self.pyramid = FeaturePyramid(self.backbone.widths, config.pyramid)
        self.semantic = SemanticPyramid(config.pyramid, width, groups=config.groups)
        self.position = _PositionHead(
            stack(config.pyramid, deform=True, norm=group_norm), width, config
        )
        self.kernel = _Head(
            stack(config.pyramid + 2, deform=False, norm=group_norm), _out(width, width)
        )
        self.mask_encoder = _Head(stack(width + 2, deform=True), None)
        self.depth_encoder = self.depth_kernel = None
        if config.depth:
            out = nn.Conv2d(width, config.depth_channels, 1)
            self.depth_encoder = _Head(stack(width + 2, deform=True), out)
            self.depth_kernel = _Head(
                stack(config.pyramid + 2, deform=True, norm=group_norm),
                _out(width, 2 + config.depth_channels),
            )
        self.thing_embedding = nn.Conv2d(width, width, 1)
        self.stuff_embedding = nn.Conv2d(width, width, 1)

    def forward(self, images: Tensor) -> PanopticFeatures:
        """Features of :func:`panoptic_input`; ValueError if a side is no multiple of 32."""
        check_multiples(images, MULTIPLE, ": pad them to the right and below")
        levels = self.levels(images)
        merged = self.semantic(levels[:4])
        mask_input = with_places(merged)
        placed = [with_places(level) for level in levels[1:]]
        positions = [self.position(level) for level in levels[1:]]
        depth_kernels: tuple[Tensor, ...] = ()
        depths = None
        if self.depth_encoder is not None and self.depth_kernel is not None:
            # places are exact for depth at any precision of the rest
            is_exact = merged.dtype == torch.float32
            depth_kernels = tuple(
                self.depth_kernel(known if is_exact else with_places(level.float()))
                for known, level in zip(placed, levels[1:], strict=True)
            )
            depths = self.depth_encoder(mask_input if is_exact else with_places(merged.float()))
        return PanopticFeatures(
            things=tuple(things for things, _ in positions),
            stuff=tuple(stuff for _, stuff in positions),
            kernels=tuple(self.kernel(level) for level in placed),
            depth_kernels=depth_kernels,
            masks=self.mask_encoder(mask_input),
            depths=depths,
        )

    def levels(self, images: Tensor) -> tuple[Tensor, ...]:
        """The six levels of the feature pyramid, strides 4 to 128."""
        return self.pyramid(self.backbone(images.to(self.backbone.stem.weight.dtype)))

    def set_precision(self, precision: torch.dtype) -> None:
        """Set the precision of all parts except the depth branch, which stays float32."""
        self.to(precision)
        for part in (self.depth_encoder, self.depth_kernel):
            if part is not None:
                part.float()

    def hold_offsets_still(self) -> None:
        """Convert the deformable convolutions to ordinary ones permanently."""
        for part in self.modules():
            if isinstance(part, DeformConv):
                part.hold_still()

    def let_offsets_move(self) -> None:
        """Enable training of the offsets of deformable convolutions, also of those that are 0."""
        for part in self.modules():
            if isinstance(part, DeformConv):
                part.is_still = False

    def official_names(self) -> dict[str, str]:
        """Map the name of every state dict entry to its name in the authors' files."""
        return {
            ours: name.replace(".offsets.", ".offset_mask_conv.").replace(".conv.", ".dcnv2.")
            for ours, name in super().official_names().items()
        }


def with_places(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C + 2, H, W): appends the row and the column, each from -1 to 1."""
    batch, _, height, width = x.shape
    rows = torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype)
    columns = torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype)
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return torch.cat((x, places.expand(batch, 2, height, width)), 1)


def generated_depth(vectors: Tensor, embedding: Tensor) -> Tensor:
    """Depth that kernels make of an embedding (section 3.3 of the paper), metres, at least 0.

    Args:
        vectors: (N, 2 + E) shift, range and kernel.
        embedding: (E, ...).

    Returns:
        (N, ...).
    """
    extra = (1,) * (embedding.ndim - 1)
    shift, extent = depth_shift(vectors), MAX_RANGE_M * vectors[:, 1].sigmoid()
    normalised = 2 * torch.tensordot(vectors[:, 2:], embedding, 1).sigmoid() - 1
    return F.relu(normalised * extent.view(-1, *extra) + shift.view(-1, *extra))


def depth_shift(vectors: Tensor) -> Tensor:
    """The depth (N,) around which that of each segment lies, metres; vectors as above."""
    return MAX_SHIFT_M * vectors[:, 0].sigmoid()


class _Stack(nn.Sequential):
    """Convolutions with ReLU."""

    def __init__(
        self,
        channels_in: int,
        *,
        channels: int,
        layers: int,
        deform: bool,
        norm: Callable[[int], nn.Module] | None = None,
    ) -> None:
        widths = (channels_in, *[channels] * layers)
        if deform:
            parts = [DeformConv(a, b, norm=norm) for a, b in pairwise(widths)]
        else:
            parts = [NormedConv(a, b, 3, norm=norm) for a, b in pairwise(widths)]
        super().__init__(*parts)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = F.relu(layer(x))
        return x


class _Head(nn.Module):
    def __init__(self, stack: _Stack, out: nn.Module | None) -> None:
        super().__init__()
        self.stack = stack
        self.out = nn.Identity() if out is None else out

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.stack(x))


class _PositionHead(nn.Module):
    def __init__(self, stack: _Stack, width: int, config: PanopticDepthConfig) -> None:
        super().__init__()
        self.stack = stack
        self.things = _out(width, config.things, _PRIOR_BIAS)
        self.stuff = _out(width, len(config.classes), _PRIOR_BIAS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stack(x)
        return self.things(x), self.stuff(x)


def _out(channels_in: int, channels_out: int, bias: float = 0.0) -> nn.Conv2d:
    layer = nn.Conv2d(channels_in, channels_out, 3, padding=1)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, bias)
    return layer
