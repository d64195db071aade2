"""Sizes of MoGe networks, read from the configuration that every released file holds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

Remap = Literal["linear", "sinh", "exp", "sinh_exp"]

# name -> width, blocks, attention heads; the tiny one is for tests
BACKBONES: Mapping[str, tuple[int, int, int]] = {
    "dinov2_tiny": (64, 4, 4),
    "dinov2_vits14": (384, 12, 6),
    "dinov2_vitb14": (768, 12, 12),
    "dinov2_vitl14": (1024, 24, 16),
}
_HEADS = {"points": 3, "normal": 3, "mask": 1}
_NORM_KEYS = ("res_block_in_norm", "res_block_hidden_norm")
_STACK_KEYS = ("dim_in", "dim_out", "dim_res_blocks", "num_res_blocks", "resamplers", *_NORM_KEYS)
REFINER_KEYS = ("refiner", "refiner_depth_resolution")  # MoGe-3's, whose refiner is left out
_KEYS = ("encoder", "neck", "scale_head", "remap_output", "num_tokens_range", *REFINER_KEYS)

_log = logging.getLogger(__name__)


class MogeConfigError(ValueError):
    """A configuration describes a network that this project cannot build."""


class StackConfig(NamedTuple):
    """Arguments of :class:`~depth_perception.systems.moge.conv_stack.ConvStack`."""

    dim_in: tuple[int | None, ...]
    widths: tuple[int, ...]
    dim_out: tuple[int | None, ...]
    block_counts: tuple[int, ...]
    resamplers: tuple[str, ...]


@dataclass(frozen=True)
class MogeConfig:
    """Sizes of one network of MoGe-2, or of MoGe-3 without its refiner.

    Attributes:
        dim, depth, heads, taps: of the encoder, see :class:`~depth_perception.layers.VitEncoder`.
        features: channels that the taps are projected to.
        neck, points, normal, mask: the convolutional stacks; normal and mask may be None.
        scale_widths: of the perceptron that reads metric scale off the class token, or None.
        remap: how raw points become points.
        token_range: least and largest number of image tokens the network was trained with.
    """

    dim: int
    depth: int
    heads: int
    taps: tuple[int, ...]
    features: int
    neck: StackConfig
    points: StackConfig
    normal: StackConfig | None
    mask: StackConfig | None
    scale_widths: tuple[int, ...] | None
    remap: Remap
    token_range: tuple[int, int]

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> MogeConfig:
        """Read the ``model_config`` of a file. Unknown keys are ignored with a warning.

        Raises:
            MogeConfigError: an entry is missing or has an unsupported value.
        """
        heads = {name: mapping.get(f"{name}_head") for name in _HEADS}
        _warn_unknown(mapping, (*_KEYS, *(f"{name}_head" for name in _HEADS)), "")
        encoder = _table(mapping, "encoder")
        _warn_unknown(encoder, ("backbone", "intermediate_layers", "dim_out"), "encoder.")
        dim, depth, attention_heads = _choice(encoder, "backbone", BACKBONES, "encoder.")
        if heads["points"] is None:
            raise MogeConfigError("the configuration has no points_head: nothing gives depth")
        stacks = {
            name: None if table is None else _stack(_table(mapping, f"{name}_head"), f"{name}_head")
            for name, table in heads.items()
        }
        scale = mapping.get("scale_head")
        if has_refiner(mapping):  # the remap of MoGe-3 is fixed
            mapping = {"remap_output": "exp", **mapping}
        return cls(
            dim=dim,
            depth=depth,
            heads=attention_heads,
            taps=_taps(_entry(encoder, "intermediate_layers", "encoder."), depth),
            features=_entry(encoder, "dim_out", "encoder."),
            neck=_stack(_table(mapping, "neck"), "neck"),
            scale_widths=None if scale is None else tuple(_entry(scale, "dims", "scale_head.")),
            remap=_choice(mapping, "remap_output", {name: name for name in get_args(Remap)}, ""),
            token_range=tuple(_entry(mapping, "num_tokens_range", "")),
            **stacks,
        )


def has_refiner(mapping: Mapping[str, Any]) -> bool:
    """Whether the ``model_config`` of a file is that of MoGe-3 with its refiner."""
    return any(key in mapping for key in REFINER_KEYS)


def released_config(size: str, *, normal: bool = True) -> MogeConfig:
    """The configuration of a released network: ``vits``, ``vitb``, ``vitl``, or ``tiny`` (tests).

    Only used if there is no file to read it from.
    """
    if size == "tiny":
        backbone, taps, blocks = "dinov2_tiny", [1, 3], [0, 2, 1, 1, 0]
        widths = [64, 32, 32, 16, 16]
    else:
        backbone = f"dinov2_{size}14"
        large = size == "vitl"
        taps, blocks = ([5, 11, 17, 23], [0, 2, 2, 2, 0]) if large else ([5, 11], [0, 1, 1, 1, 0])
        widths = [BACKBONES[backbone][0], 256, 128, 64, 32]
    dim = widths[0]
    common = {
        "dim_res_blocks": widths,
        "res_block_in_norm": "none",
        "res_block_hidden_norm": "none",
        "resamplers": ["conv_transpose", "conv_transpose", "conv_transpose", "bilinear"],
    }
    neck = {"dim_in": [dim + 2, 2, 2, 2, 2], "dim_out": None, "num_res_blocks": blocks, **common}
    heads = {
        f"{name}_head": {
            "dim_in": widths,
            "dim_out": [None, None, None, None, channels],
            "num_res_blocks": [0, 1, 1, 1, 0],
            **common,
        }
        for name, channels in _HEADS.items()
        if normal or name != "normal"
    }
    return MogeConfig.from_mapping(
        {
            "encoder": {"backbone": backbone, "intermediate_layers": taps, "dim_out": dim},
            "neck": neck,
            **heads,
            "scale_head": {"dims": [dim, dim, dim, 1]},
            "remap_output": "exp",
            "num_tokens_range": [30, 90] if size == "tiny" else [1200, 3600],
        }
    )


def _entry(table: Mapping[str, Any], key: str, place: str) -> Any:
    if key not in table:
        raise MogeConfigError(f"the configuration lacks {place}{key}")
    return table[key]


def _table(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = _entry(mapping, key, "")
    if not isinstance(value, Mapping):
        raise MogeConfigError(f"{key} must be a table, got {type(value).__name__}")
    return value


def _choice(table: Mapping[str, Any], key: str, choices: Mapping[str, Any], place: str) -> Any:
    value = _entry(table, key, place)
    if not isinstance(value, str) or value not in choices:
        raise MogeConfigError(f"{place}{key} is {value!r}, known are {', '.join(choices)}")
    return choices[value]


def _taps(layers: Any, depth: int) -> tuple[int, ...]:
    """A number n stands for the last n blocks."""
    taps = tuple(range(depth - layers, depth)) if isinstance(layers, int) else tuple(layers)
    if not taps or list(taps) != sorted(set(taps)) or not 0 <= taps[0] <= taps[-1] < depth:
        raise MogeConfigError(f"intermediate_layers {layers!r} are not among {depth} blocks")
    return taps


def _stack(table: Mapping[str, Any], name: str) -> StackConfig:
    place = f"{name}."
    _warn_unknown(table, _STACK_KEYS, place)
    for key in _NORM_KEYS:
        _choice(table, key, {"none": None}, place)
    widths = tuple(_entry(table, "dim_res_blocks", place))

    def per_level(key: str, levels: int = len(widths)) -> tuple[Any, ...]:
        """A single value stands for all levels."""
        value = _entry(table, key, place)
        if isinstance(value, str) or not isinstance(value, Sequence):
            return (value,) * levels
        if len(value) != levels:
            raise MogeConfigError(f"{place}{key} has {len(value)} entries for {levels} levels")
        return tuple(value)

    dim_in, dim_out, counts = map(per_level, ("dim_in", "dim_out", "num_res_blocks"))
    resamplers = per_level("resamplers", len(widths) - 1)
    for resampler in resamplers:
        if resampler not in ("conv_transpose", "bilinear"):
            raise MogeConfigError(
                f"{place}resamplers has {resampler!r}, known are conv_transpose, bilinear"
            )
    return StackConfig(dim_in, widths, dim_out, counts, resamplers)


def _warn_unknown(table: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    for key in table:
        if key not in known:
            _log.warning("the configuration entry %s%s is not known and is ignored", place, key)
