"""Procedural textures: the colour of a surface from its position in metres.

A texture is a function of (s, t) along the surface, from the lower left corner of its face, and
of the world position for noise. Details fade to their mean where a pixel covers several of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from itertools import product

import torch
from torch import Tensor

from .primitives import Rows

GROUPS = ("plaster", "wood", "stone", "tile", "brick", "ground", "grass", "cloth", "leaf", "metal")
"""Groups of images for ``Texture.IMAGE``."""


class Texture(IntEnum):
    """Pattern of a material; ``a``, ``b`` and ``c`` are its three colours."""

    PLAIN = 0
    TILES = 1
    BRICKS = 2
    PLANKS = 3
    STRIPES = 4
    NOISE = 5
    FACADE = 6
    PICTURE = 7
    BOOKS = 8
    DOOR = 9
    FOLIAGE = 10
    CARPET = 11
    CHECKER = 12
    ROAD = 13
    GLASS = 14
    WALLPAPER = 15
    IMAGE = 16


@dataclass(frozen=True)
class Materials(Rows):
    """K materials.

    Attributes:
        texture: (K,) int64, see :class:`Texture`.
        colours: (K, 3, 3) three linear RGB colours, 0..1.
        scale: (K, 2) size of one element in metres along s and t.
        grain: (K,) strength of the fine brightness noise.
        grain_size: (K,) wavelength of the grain in metres.
        gloss: (K,) strength of highlights.
        glow: (K,) emitted light.
        seed: (K,) int32 random seed.
        mirror: (K,) share of light that is reflected as by a mirror, in worlds of version 2.
        image: (K,) image of ``Texture.IMAGE``: index of its group plus a number below 1 that picks
            one, see :mod:`.images`. Colour a tints it; b is the share of its own colour.
    """

    texture: Tensor
    colours: Tensor
    scale: Tensor
    grain: Tensor
    grain_size: Tensor
    gloss: Tensor
    glow: Tensor
    seed: Tensor
    mirror: Tensor
    image: Tensor


@dataclass(frozen=True)
class Spot(Rows):
    """Texture coordinates of M surface points.

    Attributes:
        s, t: (M,) metres along the face from its corner.
        width, height: (M,) size of the face in metres.
        footprint: (M,) size of the pixel on the surface, metres.
        colours (M, 3, 3), scale (M, 2), seed (M,): values of the material.
    """

    s: Tensor
    t: Tensor
    width: Tensor
    height: Tensor
    footprint: Tensor
    colours: Tensor
    scale: Tensor
    seed: Tensor

    def edge(self) -> Tensor:
        """(M,) distance to the nearest edge of the face, metres."""
        across = torch.minimum(self.s, self.width - self.s)
        return torch.minimum(across, torch.minimum(self.t, self.height - self.t))


def albedo(materials: Materials, material: Tensor, spot: Spot, world: Tensor) -> Tensor:
    """Colour (M, 3) of points at ``world`` (M, 3) with the material rows ``material`` (M,)."""
    texture = materials.texture[material]
    colour = spot.colours[:, 0].clone()
    for kind, paint in _PAINTERS.items():
        index = torch.nonzero(texture == kind)[:, 0]
        if len(index):
            colour[index] = paint(spot.take(index), world[index])
    size = materials.grain_size[material]
    strength = materials.grain[material] * _visible(size, spot.footprint)
    rough = torch.nonzero(strength)[:, 0]
    place, seed = world[rough] / size[rough, None], spot.seed[rough]
    noise = 0.6 * value_noise(place, seed)
    noise += 0.4 * value_noise(world[rough] * (3.1 / size[rough, None]), seed)
    colour[rough] = colour[rough] * (1 + strength[rough] * (2 * noise - 1))[:, None]
    return colour.clamp(0, 1)


def random_unit(*keys: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) by hashing integer tensors of one shape."""
    value = torch.zeros_like(keys[0], dtype=torch.int32)
    for key in keys:
        value = (value ^ key.to(torch.int32)) * 668265263
        value = (value ^ (value >> 15)) * 374761393
    value = value ^ (value >> 13)
    return (value & 0xFFFF).to(torch.float32) / 65536


def value_noise(position: Tensor, seed: Tensor) -> Tensor:
    """Smooth noise (M,) in [0, 1) with wavelength one, at ``position`` (M, 3)."""
    cell = torch.floor(position)
    part = position - cell
    part = part * part * (3 - 2 * part)
    corner = cell.to(torch.int32)
    x, y, z = corner.unbind(1)
    fx, fy, fz = part.unbind(1)
    total = torch.zeros_like(fx)
    for dz, dy in product((0, 1), repeat=2):
        low = random_unit(x, y + dy, z + dz, seed)
        high = random_unit(x + 1, y + dy, z + dz, seed)
        weight = (fy if dy else 1 - fy) * (fz if dz else 1 - fz)
        total = total + weight * (low + fx * (high - low))
    return total


def _visible(size: Tensor, footprint: Tensor) -> Tensor:
    """1 where a pixel is much smaller than a detail, 0 where it is larger."""
    return (1.5 - 1.5 * footprint / size).clamp(0, 1)


def _line(distance: Tensor, width: Tensor | float, footprint: Tensor) -> Tensor:
    """Coverage of a line of half width ``width`` by a pixel at ``distance`` from its middle."""
    soft = footprint.clamp_min(1e-4)
    return ((width - distance) / soft + 0.5).clamp(0, 1) * (2 * width / soft).clamp(0, 1)


def _mix(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    return first + (second - first) * weight[:, None]


def _cells(spot: Spot, shifted: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Cell numbers along s and t, the distance to the nearest border, and the place within."""
    row = torch.floor(spot.t / spot.scale[:, 1])
    s = spot.s + (0.5 * spot.scale[:, 0] * torch.remainder(row, 2) if shifted else 0)
    column = torch.floor(s / spot.scale[:, 0])
    p = s / spot.scale[:, 0] - column
    q = spot.t / spot.scale[:, 1] - row
    edge_s = torch.minimum(p, 1 - p) * spot.scale[:, 0]
    edge_t = torch.minimum(q, 1 - q) * spot.scale[:, 1]
    return column, row, torch.minimum(edge_s, edge_t), p, q


def _tinted(spot: Spot, column: Tensor, row: Tensor) -> Tensor:
    """Colour a to b at random for every cell, the mean of them far away."""
    seen = _visible(spot.scale.min(dim=1).values, spot.footprint)
    weight = 0.5 + (random_unit(column, row, spot.seed) - 0.5) * seen
    return _mix(spot.colours[:, 0], spot.colours[:, 1], weight)


def _tiles(spot: Spot, _: Tensor, shifted: bool = False) -> Tensor:
    column, row, edge, _, _ = _cells(spot, shifted)
    joint = 0.012 * spot.scale.max(dim=1).values + 0.002
    return _mix(_tinted(spot, column, row), spot.colours[:, 2], _line(edge, joint, spot.footprint))


def _planks(spot: Spot, _: Tensor) -> Tensor:
    row = torch.floor(spot.t / spot.scale[:, 1])
    start = random_unit(row, spot.seed) * spot.scale[:, 0]
    column = torch.floor((spot.s + start) / spot.scale[:, 0])
    colour = _tinted(spot, column, row)
    grain = torch.stack((spot.s * 1.5 + 37 * row, spot.t * 40, column), 1)
    fine = value_noise(grain, spot.seed) - 0.5
    colour = colour * (1 + 0.3 * fine * _visible(spot.scale[:, 1] / 4, spot.footprint))[:, None]
    q = spot.t / spot.scale[:, 1] - row
    gap = torch.minimum(q, 1 - q) * spot.scale[:, 1]
    return _mix(colour, spot.colours[:, 2], 0.8 * _line(gap, 0.004, spot.footprint))


def _stripes(spot: Spot, _: Tensor) -> Tensor:
    phase = torch.remainder(spot.s / spot.scale[:, 0], 2)
    inside = (phase < 1).to(spot.s.dtype)
    weight = 0.5 + (inside - 0.5) * _visible(spot.scale[:, 0], spot.footprint)
    return _mix(spot.colours[:, 0], spot.colours[:, 1], weight)


def _checker(spot: Spot, _: Tensor) -> Tensor:
    column, row, _, _, _ = _cells(spot)
    odd = torch.remainder(column + row, 2)
    seen = _visible(spot.scale.min(dim=1).values, spot.footprint)
    return _mix(spot.colours[:, 0], spot.colours[:, 1], 0.5 + (odd - 0.5) * seen)


def _noise(spot: Spot, world: Tensor) -> Tensor:
    size = spot.scale[:, :1]
    weight = 0.65 * value_noise(world / size, spot.seed)
    weight += 0.35 * value_noise(world / size * 2.7, spot.seed)
    return _mix(spot.colours[:, 0], spot.colours[:, 1], ((weight - 0.5) * 1.8 + 0.5).clamp(0, 1))


def _facade(spot: Spot, world: Tensor) -> Tensor:
    """Storeys of windows in frames over a ground floor with doors and larger panes."""
    count = torch.floor(spot.width / spot.scale[:, 0]).clamp_min(1)
    wide = spot.width / count
    column, p = torch.floor(spot.s / wide), torch.frac(spot.s / wide)
    row, q = torch.floor(spot.t / spot.scale[:, 1]), torch.frac(spot.t / spot.scale[:, 1])
    ground = row == 0
    roof = (row + 1) * spot.scale[:, 1] > spot.height + 0.1
    door = ground & (random_unit(column, spot.seed) < 0.3)
    x = (p - 0.5).abs() * wide
    half = torch.where(door, 0.55, 0.18 * wide + 0.2 * wide * random_unit(spot.seed, spot.seed))
    low = torch.where(door, 0.0, 0.9)
    high = torch.where(door, 2.15, spot.scale[:, 1] - 0.45)
    y = q * spot.scale[:, 1]
    outside = torch.maximum(x - half, torch.maximum(low - y, y - high))
    soft = spot.footprint.clamp_min(1e-3)
    frame = (0.5 - (outside - 0.09) / soft).clamp(0, 1) * ~roof
    pane = (0.5 - outside / soft).clamp(0, 1) * ~roof
    bars = torch.minimum(x, (y - (low + high) / 2).abs())
    pane = pane * (1 - 0.9 * _line(bars, 0.03, spot.footprint) * ~door)
    tint = random_unit(column, row, spot.seed)
    dark = _mix(torch.full_like(spot.colours[:, 0], 0.04), spot.colours[:, 2], tint**2)
    sky = torch.tensor([0.45, 0.55, 0.68], device=tint.device).expand_as(dark)
    dark = torch.where(door[:, None], spot.colours[:, 2] * 0.5, _mix(dark, sky, 0.45 * q * tint))
    wall = spot.colours[:, 0]
    tints = torch.tensor([1.0, 0.86, 0.8], device=wall.device)[None, :, None]
    size = torch.tensor([0.5, 0.25], device=wall.device).expand_as(spot.scale)
    blocks = _tiles(replace(spot, colours=spot.colours * tints, scale=size), world, shifted=True)
    style = random_unit(spot.seed, spot.seed + 1)
    wall = torch.where(((style < 0.35) | (ground & (style < 0.6)))[:, None], blocks, wall)
    ledge = _line((y - 0.08).abs(), 0.07, spot.footprint) * ~ground
    wall = _mix(wall, spot.colours[:, 1], ledge)
    return _mix(_mix(wall, spot.colours[:, 1], frame), dark, pane)


def _picture(spot: Spot, _: Tensor) -> Tensor:
    """A framed painting of coloured blobs, different for every seed."""
    s, t = spot.s / spot.width, spot.t / spot.height
    edge = spot.edge()
    place = torch.stack((s * 3, t * 3, torch.zeros_like(s)), 1)
    first = value_noise(place, spot.seed)
    second = value_noise(place * 2.3, spot.seed + 7)
    hue = torch.stack([random_unit(spot.seed, spot.seed + k) for k in range(3)], 1)
    canvas = _mix(spot.colours[:, 0], hue, (first > 0.52).to(s.dtype))
    canvas = _mix(canvas, 1 - hue, (second > 0.66).to(s.dtype))
    canvas = _mix(canvas, spot.colours[:, 2], ((t < 0.35) & (second < 0.5)).to(s.dtype))
    return torch.where((edge < 0.035)[:, None], spot.colours[:, 1], canvas)


def _books(spot: Spot, _: Tensor) -> Tensor:
    """Rows of book spines of different colour and height, with gaps."""
    row = torch.floor(spot.t / spot.scale[:, 1])
    y = spot.t - row * spot.scale[:, 1]
    column = torch.floor(spot.s / spot.scale[:, 0] + 0.6 * random_unit(row, spot.seed))
    tall = spot.scale[:, 1] * (0.55 + 0.35 * random_unit(column, row, spot.seed + 3))
    colour = torch.stack([random_unit(column, row, spot.seed + k) for k in (11, 12, 13)], 1)
    colour = 0.05 + 0.6 * colour * colour
    grey = colour.mean(0, keepdim=True).expand_as(colour)
    colour = _mix(grey, colour, _visible(spot.scale[:, 0], spot.footprint))
    empty = (random_unit(torch.floor(column / 6), row, spot.seed + 5) < 0.2) | (y > tall)
    colour = torch.where(empty[:, None], spot.colours[:, 1] * 0.35, colour)
    side = torch.minimum(spot.s, spot.width - spot.s)
    board = (y < 0.025) | (spot.height - spot.t < 0.03) | (side < 0.025)
    return torch.where(board[:, None], spot.colours[:, 0], colour)


def _door(spot: Spot, _: Tensor) -> Tensor:
    """Two panels with a shaded edge, and a handle."""
    s, t = spot.s / spot.width, spot.t / spot.height
    panels = torch.minimum((t - 0.28).abs() - 0.19, (t - 0.74).abs() - 0.18)
    outside = torch.maximum((s - 0.5).abs() - 0.33, panels)
    colour = _mix(spot.colours[:, 0], spot.colours[:, 1], (outside < 0).to(s.dtype))
    colour = _mix(colour, spot.colours[:, 0] * 0.5, (outside.abs() < 0.012).to(s.dtype))
    handle = ((s - 0.9).abs() < 0.045) & ((t - 0.49).abs() < 0.018)
    return torch.where(handle[:, None], spot.colours[:, 2], colour)


def _foliage(spot: Spot, world: Tensor) -> Tensor:
    size = spot.scale[:, :1]
    rough = value_noise(world / size, spot.seed)
    fine = value_noise(world / size * 3.3, spot.seed + 1)
    fine = 0.5 + (fine - 0.5) * _visible(size[:, 0] / 3.3, spot.footprint)
    weight = ((0.5 * rough + 0.7 * fine - 0.6) * 2.2 + 0.5).clamp(0, 1)
    return _mix(spot.colours[:, 1], spot.colours[:, 0], weight)


def _carpet(spot: Spot, _: Tensor) -> Tensor:
    edge = spot.edge()
    column = torch.floor((spot.s - spot.width / 2).abs() / spot.scale[:, 0])
    row = torch.floor((spot.t - spot.height / 2).abs() / spot.scale[:, 1])
    pick = random_unit(column, row, spot.seed)
    colour = torch.where((pick < 0.45)[:, None], spot.colours[:, 0], spot.colours[:, 1])
    colour = torch.where((pick > 0.8)[:, None], spot.colours[:, 2], colour)
    band = (edge > 0.1) & (edge < 0.17)
    colour = torch.where((edge < 0.24)[:, None], spot.colours[:, 0], colour)
    return torch.where(band[:, None], spot.colours[:, 2], colour)


def _road(spot: Spot, _: Tensor) -> Tensor:
    """Asphalt along s with a dashed middle line and solid lines at the borders."""
    middle = (spot.t - spot.height / 2).abs()
    border = (spot.height / 2 - 0.25 - middle).abs()
    dashed = (torch.remainder(spot.s, 6.0) < 3.0).to(spot.s.dtype)
    dashes = _line(middle, 0.07, spot.footprint) * dashed
    mark = torch.maximum(dashes, _line(border, 0.06, spot.footprint))
    return _mix(spot.colours[:, 0], spot.colours[:, 2], 0.85 * mark)


def _glass(spot: Spot, _: Tensor) -> Tensor:
    """A bright pane in a frame with one bar across."""
    edge = spot.edge()
    bars = torch.minimum((spot.s - spot.width / 2).abs(), (edge - 0.03).abs())
    colour = _mix(spot.colours[:, 1], spot.colours[:, 0], (spot.t / spot.height).clamp(0, 1))
    return torch.where(((bars < 0.025) | (edge < 0.05))[:, None], spot.colours[:, 2], colour)


def _wallpaper(spot: Spot, world: Tensor) -> Tensor:
    _, _, _, p, q = _cells(spot, shifted=True)
    motif = ((p - 0.5).abs() + (q - 0.5).abs() < 0.27).to(p.dtype)
    seen = _visible(spot.scale.min(dim=1).values / 2, spot.footprint)
    base = _mix(spot.colours[:, 0], spot.colours[:, 1], 0.2 + (motif - 0.2) * seen)
    skirting = spot.t < 0.1
    return torch.where(skirting[:, None], spot.colours[:, 2], base)


_PAINTERS: dict[Texture, Callable[[Spot, Tensor], Tensor]] = {
    Texture.TILES: _tiles, Texture.BRICKS: partial(_tiles, shifted=True), Texture.PLANKS: _planks,
    Texture.STRIPES: _stripes, Texture.NOISE: _noise, Texture.FACADE: _facade,
    Texture.PICTURE: _picture, Texture.BOOKS: _books, Texture.DOOR: _door,
    Texture.FOLIAGE: _foliage, Texture.CARPET: _carpet, Texture.CHECKER: _checker,
    Texture.ROAD: _road, Texture.GLASS: _glass, Texture.WALLPAPER: _wallpaper,
}  # fmt: skip
