"""Segments as colours over an image, on the device of the segments."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..geometry.sampling import on_grid

Colour = tuple[int, int, int]

# Multiples of the two, modulo 1, cover a square evenly, however many there are.
_TURN, _FADE = 0.7548776662, 0.5698402910
_UNKNOWN: Colour = (160, 160, 160)


class Segment(Protocol):
    """Properties that determine the colour of a segment: an Instance, or a message of one."""

    @property
    def id(self) -> int: ...

    @property
    def class_id(self) -> int: ...

    @property
    def is_thing(self) -> bool: ...


def segment_colour(instance: Segment, classes: Sequence[Colour]) -> Colour:
    """RGB, 0..255: the colour of the class, in different shades for things of one class.

    Args:
        instance: grey if its class is not in ``classes``.
        classes: colours of the classes by their numbers.
    """
    known = 0 <= instance.class_id < len(classes)
    colour = classes[instance.class_id] if known else _UNKNOWN
    if not instance.is_thing:
        return colour
    hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in colour))
    hue = (hue + 0.16 * (instance.id * _TURN % 1.0 - 0.5)) % 1.0
    saturation *= 0.55 + 0.45 * (instance.id * _FADE % 1.0)
    shade = colorsys.hsv_to_rgb(hue, saturation, max(value, 0.85))
    return tuple(round(255 * part) for part in shade)


def segment_palette(instances: Sequence[Segment], classes: Sequence[Colour]) -> Tensor:
    """(M, 3) uint8 colours by id, M one more than the highest; black for no segment."""
    palette = torch.zeros((1 + max((i.id for i in instances), default=0), 3), dtype=torch.uint8)
    for instance in instances:
        palette[instance.id] = torch.tensor(segment_colour(instance, classes), dtype=torch.uint8)
    return palette


def overlay(image: Tensor, segments: Tensor, palette: Tensor, opacity: float) -> Tensor:
    """(H, W, 3) uint8: the image, tinted by segments with lines around them.

    Args:
        image: (H, W, 3) uint8 RGB.
        segments: (h, w) integer ids of the same view, 0 for none; sampled at the nearest pixel.
        palette: (M, 3) uint8 colours of all ids, see :func:`segment_palette`.
        opacity: 0 shows the image alone, 1 the colours alone.

    Raises:
        ValueError: the opacity is not within [0, 1].
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must lie in [0, 1], got {opacity}")
    height, width = image.shape[:2]
    segments = on_grid(segments.long(), height, width)
    image = image.to(segments.device).float()
    colours = palette.to(segments.device)[segments].float()
    weight = torch.where(segments > 0, opacity, 0.0)
    weight = torch.where(_borders(segments), weight.sqrt(), weight)
    return torch.lerp(image, colours, weight[..., None]).round().to(torch.uint8)


def _borders(segments: Tensor) -> Tensor:
    """(H, W) bool: whether the pixel to the left or above belongs to another segment."""
    found = torch.zeros_like(segments, dtype=torch.bool)
    found[:, 1:] |= segments[:, 1:] != segments[:, :-1]
    found[1:] |= segments[1:] != segments[:-1]
    return found
