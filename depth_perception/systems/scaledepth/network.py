"""ScaleDepth (arXiv 2407.08187): metric depth as relative depth times the scale of the scene."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from timm.models.convnext import ConvNeXt
from torch import Tensor, nn

from ..names import NameRule, OfficialNames
from .config import MIN_RELATIVE_DEPTH, MIN_SCALE_M, ScaleDepthConfig
from .pixel_decoder import DeformablePixelDecoder
from .query_decoder import QueryDecoder, QueryOutput

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

_SIMILARITY_SCALE = 100.0
_LAYER = "pixels.layers.{0}"
_READER = "queries.layers.{0}"
_RULES = (
    NameRule("encoder", "backbone.clip_model.visual.trunk"),
    NameRule("class_embeddings", "decode_head.class_embeddings"),
    NameRule("scale", "decode_head.scale_predictor.fc"),
    NameRule("pixels.inputs.{0}.0", "pixels.inputs.{0}.conv"),
    NameRule("pixels.inputs.{0}.1", "pixels.inputs.{0}.gn"),
    NameRule("pixels.inputs", "pixels.input_convs"),
    NameRule("pixels.lateral.0", "pixels.lateral_convs.0.conv"),
    NameRule("pixels.lateral.1", "pixels.lateral_convs.0.gn"),
    NameRule("pixels.merge.0", "pixels.output_convs.0.conv"),
    NameRule("pixels.merge.1", "pixels.output_convs.0.gn"),
    NameRule("pixels.features", "pixels.mask_feature"),
    NameRule("pixels.level", "pixels.level_encoding"),
    NameRule(f"{_LAYER}.attention", f"{_LAYER}.self_attn"),
    NameRule(f"{_LAYER}.self_attn.offsets", f"{_LAYER}.self_attn.sampling_offsets"),
    NameRule(f"{_LAYER}.self_attn.weights", f"{_LAYER}.self_attn.attention_weights"),
    NameRule(f"{_LAYER}.self_attn.value", f"{_LAYER}.self_attn.value_proj"),
    NameRule(f"{_LAYER}.self_attn.out", f"{_LAYER}.self_attn.output_proj"),
    NameRule(f"{_LAYER}.attention_norm", f"{_LAYER}.norms.0"),
    NameRule(f"{_LAYER}.mlp_norm", f"{_LAYER}.norms.1"),
    NameRule(f"{_LAYER}.mlp.0", f"{_LAYER}.ffn.layers.0.0"),
    NameRule(f"{_LAYER}.mlp.2", f"{_LAYER}.ffn.layers.1"),
    NameRule("pixels.layers", "pixels.encoder.layers"),
    NameRule("pixels", "decode_head.pixel_decoder"),
    NameRule(f"{_READER}.cross", f"{_READER}.cross_attn.attn"),
    NameRule(f"{_READER}.mutual", f"{_READER}.self_attn.attn"),
    NameRule(f"{_READER}.cross_norm", f"{_READER}.norms.0"),
    NameRule(f"{_READER}.mutual_norm", f"{_READER}.norms.1"),
    NameRule(f"{_READER}.mlp_norm", f"{_READER}.norms.2"),
    NameRule(f"{_READER}.mlp.0", f"{_READER}.ffn.layers.0.0"),
    NameRule(f"{_READER}.mlp.2", f"{_READER}.ffn.layers.1"),
    NameRule("queries.layers", "decode_head.transformer_decoder.layers"),
    NameRule("queries.norm", "decode_head.transformer_decoder.post_norm"),
    NameRule("queries.content", "decode_head.query_feat"),
    NameRule("queries.position", "decode_head.query_embed"),
    NameRule("queries.level", "decode_head.level_embed"),
    NameRule("queries.logit", "decode_head.cls_embed"),
    NameRule("queries.mask", "decode_head.mask_embed"),
)


@dataclass(frozen=True)
class ScaleDepthOutput:
    """Output of ScaleDepth for a batch of images.

    Attributes:
        relative: (B, 1, H/4, W/4) depth as a fraction of the scale, about 0.001 to 1.001.
        scale_m: (B,) scale of each scene, metres, at least 0.1.
        class_probabilities: (B, classes), or None for a network without scene classes.
    """

    relative: Tensor
    scale_m: Tensor
    class_probabilities: Tensor | None

    def depth_m(self, size: tuple[int, int]) -> Tensor:
        """Depth (B, 1, height, width) in metres at a size, bilinear by pixel centres."""
        metres = self.relative * self.scale_m[:, None, None, None]
        return F.interpolate(metres, size, mode="bilinear")


class ConvNextEncoder(nn.Module):
    """The trunk of ConvNeXt (Liu et al., "A ConvNet for the 2020s", arXiv 2201.03545).

    Args:
        depths: blocks in each of the four stages.
        widths: channels of each stage.
        drop_path: rate of stochastic depth at the last block, growing from 0 at the first.
    """

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        widths: tuple[int, int, int, int],
        *,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        trunk = ConvNeXt(depths=depths, dims=widths, drop_path_rate=drop_path, num_classes=0)
        self.stem = trunk.stem
        self.stages = trunk.stages

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Raw outputs of the stages, strides 4, 8, 16 and 32, of images (B, 3, H, W).

        Sides that are not multiples of 32 lose their last rows and columns.
        """
        maps = []
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)


class ScaleDepth(OfficialNames, nn.Module):
    """The network of ScaleDepth.

    Args:
        config: sizes of the network.
        classes: number of scene classes; 0 for a network trained without.
    """

    rules = _RULES
    input_range = (0.0, 255.0)
    output_types = (ScaleDepthOutput,)

    def __init__(self, config: ScaleDepthConfig, *, classes: int = 28) -> None:
        super().__init__()
        self.config = config
        self.encoder = ConvNextEncoder(config.depths, config.widths)
        self.pixels = DeformablePixelDecoder(
            config.widths,
            config.channels,
            heads=config.heads,
            hidden=config.pixel_hidden,
            layers=config.pixel_layers,
            groups=config.groups,
        )
        self.queries = QueryDecoder(
            config.channels,
            heads=config.heads,
            hidden=config.query_hidden,
            layers=config.query_layers,
            masked=config.bins,
            free=config.scale_queries,
        )
        width = config.scale_queries * config.channels
        self.scale = nn.Linear(width, 1)
        embeddings = torch.zeros(classes, width) if classes else None
        self.register_buffer("class_embeddings", embeddings)
        self.register_buffer("mean", torch.empty(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.empty(3, 1, 1), persistent=False)
        self.restore_constants()

    def forward(self, images: Tensor) -> ScaleDepthOutput:
        """Depth of RGB images (B, 3, H, W), float32 with values 0 to 255, sides at least 32."""
        return self.output(self.layers(images)[-1])

    def layers(self, images: Tensor) -> tuple[QueryOutput, ...]:
        """The queries after each layer of the decoder, for losses on each of them."""
        normalised = (images - self.mean) / self.std
        return self.queries(self.pixels(self.encoder(normalised)))

    def output(self, queries: QueryOutput) -> ScaleDepthOutput:
        """Depth, scale and class probabilities of the queries after one layer."""
        relative = relative_depth(queries.logits, queries.masks)
        joined = queries.free.flatten(1)
        scale_m = F.relu(self.scale(joined))[:, 0] + MIN_SCALE_M
        probabilities = None
        if self.class_embeddings is not None:
            probabilities = self.class_scores(queries).softmax(-1)
        return ScaleDepthOutput(relative, scale_m, probabilities)

    def class_scores(self, queries: QueryOutput) -> Tensor:
        """Scene classes (B, classes) before the softmax; ValueError for a network without."""
        if self.class_embeddings is None:
            raise ValueError("this network has no scene classes")
        return _SIMILARITY_SCALE * queries.free.flatten(1) @ self.class_embeddings.T

    def restore_constants(self) -> None:
        """Set constants that files do not contain, after ``to_empty`` of a meta-device network."""
        for buffer, values in ((self.mean, CLIP_MEAN), (self.std, CLIP_STD)):
            buffer.copy_(torch.tensor(values)[:, None, None] * 255)


def bin_edges(logits: Tensor, extent: float = 1.0) -> Tensor:
    """Edges (B, bins + 1) of the depth bins of logits (B, bins), from 0.001 over ``extent``."""
    widths = logits.softmax(-1) * extent
    first = torch.full_like(widths[:, :1], MIN_RELATIVE_DEPTH)
    return torch.cat((first, widths), -1).cumsum(-1)


def relative_depth(logits: Tensor, masks: Tensor, extent: float = 1.0) -> Tensor:
    """Mean of the bin centres (B, 1, h, w), weighted by the masks (B, bins, h, w) at each pixel.

    Section III-C of the paper; bins as in AdaBins (arXiv 2011.14141).
    """
    edges = bin_edges(logits, extent)
    centres = (edges[:, 1:] + edges[:, :-1]) / 2
    return torch.einsum("bq,bqhw->bhw", centres, masks.softmax(1))[:, None]
