"""Rendered images and exact ground truth of a world."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ...geometry import Camera
from .classes import CLASS_ID
from .primitives import first_hits, in_shadow, unit_normals, unit_points
from .textures import Spot, albedo, value_noise
from .world import Light, World

LIFT_M = 2e-3
"""Start of shadow rays above the surface."""

SUB_PIXELS = ((0.375, 0.125), (0.875, 0.375), (0.625, 0.875), (0.125, 0.625))
"""Positions (u, v) of the samples in a border pixel."""


@dataclass(frozen=True)
class Frame:
    """One image with ground truth; all maps are for the rays of the pixel centres.

    Attributes:
        rgb: (H, W, 3) uint8.
        range_m: (H, W) float32, metres along the ray, infinite without a surface.
        z_m: (H, W) float32, metres along the optical axis (negative behind the camera).
        normals: (H, W, 3) float32 unit vectors in the optical frame, 0 without a surface.
        classes: (H, W) int64, ids of :data:`CLASSES`.
        instances: (H, W) int64, 0 for classes without instances.
        solids: (H, W) int64, row of the solid, -1 without a surface.
        camera: camera of the pixel grid.
        pose: (4, 4) float64, optical frame to world.
    """

    rgb: Tensor
    range_m: Tensor
    z_m: Tensor
    normals: Tensor
    classes: Tensor
    instances: Tensor
    solids: Tensor
    camera: Camera
    pose: Tensor


@dataclass(frozen=True)
class _Hits:
    range_m: Tensor
    owner: Tensor
    directions: Tensor
    normals: Tensor
    local_normals: Tensor
    seen: Tensor


@torch.no_grad()
def render(
    world: World,
    camera: Camera,
    pose: Tensor,
    *,
    device: torch.device | str = "cpu",
    shadows: bool = True,
    antialias: bool = False,
) -> Frame:
    """Render a world from a pose.

    Args:
        world: the world to render.
        camera: any central camera.
        pose: (4, 4) optical frame to world; the camera centre must lie outside of all solids.
        device: device of the computation and of the frame.
        shadows: whether the sun and the shadow lamps cast shadows.
        antialias: whether pixels on the edges of solids average four more samples. Ground
            truth always refers to the ray of the pixel centre.
    """
    world = world.to(device)
    height, width = camera.height, camera.width
    turn = pose[:3, :3].to(device=device, dtype=torch.float32)
    origin = pose[:3, 3].to(device=device, dtype=torch.float32)
    rays = camera.rays(device=device)
    order = _tile_order(height, width).to(device)
    hits = _trace(world, rays.reshape(-1, 3), origin, turn, order)
    middle, pixel = camera.rays()[height // 2], 0.01
    if width > 1:
        pixel = float(torch.linalg.cross(middle[:-1], middle[1:]).norm(dim=1).max())
    display = _to_display(_shade(world, hits, origin, shadows, pixel))
    if antialias:
        border = order[_borders(hits.owner.reshape(height, width)).reshape(-1)[order]]
        if len(border):
            fine_rays = _sub_rays(camera, border.cpu()).to(device)
            fine = _trace(world, fine_rays, origin, turn, torch.arange(len(fine_rays)).to(device))
            shades = _to_display(_shade(world, fine, origin, shadows, pixel / 2))
            samples = shades.reshape(len(border), len(SUB_PIXELS), 3)
            display[border] = samples.mean(dim=1)
    rgb = (display.reshape(height, width, 3) * 255).round().to(torch.uint8)
    solid = hits.owner.reshape(height, width)
    row, hit = solid.clamp_min(0), solid >= 0
    range_m = hits.range_m.reshape(height, width)
    return Frame(
        rgb=rgb,
        range_m=range_m,
        z_m=torch.where(torch.isfinite(range_m), range_m * rays[..., 2], range_m),
        normals=(turn.T @ hits.normals).T.reshape(height, width, 3),
        classes=torch.where(hit, world.primitives.class_id[row], CLASS_ID["sky"]),
        instances=torch.where(hit, world.primitives.instance_id[row], 0),
        solids=solid,
        camera=camera,
        pose=pose,
    )


def _borders(owner: Tensor) -> Tensor:
    """(H, W) bool: pixels with a neighbour on another solid."""
    border = torch.zeros_like(owner, dtype=torch.bool)
    across, down = owner[:, 1:] != owner[:, :-1], owner[1:] != owner[:-1]
    border[:, 1:] |= across
    border[:, :-1] |= across
    border[1:] |= down
    border[:-1] |= down
    return border


def _sub_rays(camera: Camera, pixels: Tensor) -> Tensor:
    """(P * 4, 3) rays within the pixels (P,) of the flattened grid."""
    v, u = pixels // camera.width, pixels % camera.width
    offsets = torch.tensor(SUB_PIXELS, dtype=torch.float64)
    rays = camera.directions(u[:, None] + offsets[:, 0], v[:, None] + offsets[:, 1])
    return rays.reshape(-1, 3).to(torch.float32)


@lru_cache(maxsize=8)
def _tile_order(height: int, width: int) -> Tensor:
    """(H * W,) pixels of the flattened grid, tile by tile of 8 x 8."""
    row, column = torch.arange(height)[:, None], torch.arange(width)[None]
    tile = (row // 8) * width + column // 8
    place = tile * 64 + (row % 8) * 8 + column % 8
    return torch.argsort(place.reshape(-1))


def _trace(world: World, rays: Tensor, origin: Tensor, turn: Tensor, order: Tensor) -> _Hits:
    """Hits of rays (M, 3); ``order`` (M,) lists them so that neighbours are close."""
    directions = (turn @ rays.T).contiguous()
    range_m, owner = directions.new_empty(len(rays)), torch.empty_like(order)
    range_m[order], owner[order] = first_hits(world.primitives, origin, directions[:, order])
    seen = order[owner[order] >= 0]
    normals, local_normals = torch.zeros_like(directions), torch.zeros_like(directions)
    points = origin + (directions[:, seen] * range_m[seen]).T
    solids, row = world.primitives, owner[seen]
    gradient = unit_normals(solids.shape[row], unit_points(solids, row, points))
    local = torch.nn.functional.normalize(gradient / solids.half[row], dim=1)
    local_normals[:, seen] = local.T
    normals[:, seen] = (solids.rotation[row] @ local[:, :, None])[:, :, 0].T
    return _Hits(range_m, owner, directions, normals, local_normals, seen)


def _shade(world: World, hits: _Hits, origin: Tensor, shadows: bool, pixel: float) -> Tensor:
    """Linear RGB (M, 3) of every ray."""
    colour = sky(world.light, hits.directions)
    seen, light = hits.seen, world.light
    if not len(seen):
        return colour
    row, normals, directions = hits.owner[seen], hits.normals[:, seen], hits.directions[:, seen]
    distance = hits.range_m[seen]
    points = origin[:, None] + directions * distance
    solids = world.primitives
    flat = hits.local_normals[2, seen].abs() > 0.7
    material = torch.where(flat, solids.top_material[row], solids.material[row])
    slant = (-(directions * normals).sum(0)).clamp_min(0.05)
    footprint = distance * pixel / slant.sqrt()
    spot = _spot(world, row, points, hits.local_normals[:, seen], material, footprint)
    base = albedo(world.materials, material, spot, points.T)
    up = (normals[2] * 0.5 + 0.5)[:, None]
    received = light.ambient_down + (light.ambient_up - light.ambient_down) * up
    near = torch.exp(-points[2].clamp_min(0) / 0.25)  # darker close to the ground
    received = received * (1 - 0.35 * near * (1 - normals[2].clamp(0, 1)))[:, None]
    shine = torch.zeros_like(received)
    gloss = world.materials.gloss[material]
    mirrored = directions - 2 * (directions * normals).sum(0) * normals
    lifted = points + normals * LIFT_M
    if float(light.sun_colour.max()) > 0:
        facing = (light.sun_direction @ normals).clamp_min(0)
        lit = torch.nonzero(facing > 0)[:, 0]
        if shadows and len(lit):
            facing[lit[in_shadow(solids, lifted[:, lit], light.sun_direction)]] = 0
        received = received + facing[:, None] * light.sun_colour
        glance = (light.sun_direction @ mirrored).clamp_min(0) ** 60
        shine = shine + (glance * gloss * (facing > 0))[:, None] * light.sun_colour
    for index, (lamp, strength) in enumerate(zip(light.lamps, light.lamp_colours, strict=True)):
        offset = lamp[:, None] - lifted
        reach = offset.norm(dim=0)
        towards = offset / reach
        facing = (towards * normals).sum(0).clamp_min(0) / (1 + (reach / 2.5).square())
        lit = torch.nonzero(facing > 1e-3)[:, 0]
        if shadows and index < light.shadow_lamps and len(lit):
            blocked, _ = first_hits(solids.take(solids.casts), lamp, -towards[:, lit].contiguous())
            facing[lit[blocked < reach[lit] - LIFT_M]] = 0
        received = received + facing[:, None] * strength
        glance = (towards * mirrored).sum(0).clamp_min(0) ** 40
        shine = shine + (glance * gloss * (facing > 0) * 0.5)[:, None] * strength
    glow = world.materials.glow[material][:, None]
    result = base * (received + glow) + shine
    haze = (1 - torch.exp(-distance / light.haze_m))[:, None] * float(light.sun_colour.max() > 0)
    colour[seen] = result + (light.horizon - result) * haze
    return colour


def _spot(
    world: World, row: Tensor, points: Tensor, normals: Tensor, material: Tensor, footprint: Tensor
) -> Spot:
    """Surface coordinates: faces of boxes from their corner, round bodies by angle and height.

    ``normals`` (3, M) are in the frames of the solids.
    """
    solids = world.primitives
    half = solids.half[row]
    local = (unit_points(solids, row, points.T) * half).T
    x, y, z = local
    hx, hy, hz = half.T
    axis = normals.abs().argmax(dim=0)
    round_side = ((solids.shape[row] == 1) | (solids.shape[row] == 2)) & (axis != 2)
    angle = (torch.atan2(y, x) + math.pi) * torch.maximum(hx, hy)
    s = torch.where(axis == 0, y * torch.sign(normals[0]) + hy, x + hx)
    s = torch.where(axis == 1, hx - x * torch.sign(normals[1]), s)
    s = torch.where(round_side, angle, s)
    t = torch.where(axis == 2, y + hy, z + hz)
    width = torch.where(axis == 0, 2 * hy, 2 * hx)
    width = torch.where(round_side, 2 * math.pi * torch.maximum(hx, hy), width)
    height = torch.where(axis == 2, 2 * hy, 2 * hz)
    table = world.materials
    style = (values[material] for values in (table.colours, table.scale, table.seed))
    return Spot(s, t, width, height, footprint, *style)


def sky(light: Light, directions: Tensor) -> Tensor:
    """Linear RGB (M, 3) of the sky along ``directions`` (3, M): gradient, clouds and sun."""
    x, y, z = directions
    up = z.clamp_min(0).sqrt()[:, None]
    colour = light.horizon + (light.zenith - light.horizon) * up
    if light.clouds > 0:
        lift = z.clamp_min(0) + 0.15
        place = torch.stack((x / lift * 1.3, y / lift * 1.3, torch.zeros_like(x)), 1)
        seed = torch.full_like(x, 17, dtype=torch.int32)
        noise = 0.6 * value_noise(place, seed) + 0.4 * value_noise(place * 2.3 + 5, seed)
        cover = ((noise - 1 + light.clouds) * 4).clamp(0, 1) * (z * 8).clamp(0, 1)
        bright = light.horizon * 0.5 + 0.5
        colour = colour + (bright - colour) * cover[:, None]
    towards = (light.sun_direction @ directions).clamp(0, 1)
    disc = ((towards - 0.9994) * 4000).clamp(0, 1) + 0.35 * towards**80
    return colour + (disc * (1 - 0.8 * light.clouds))[:, None] * light.sun_colour


def _to_display(linear: Tensor) -> Tensor:
    """Tone curve with a soft shoulder, then the sRGB-like gamma; (M, 3) in 0..1."""
    return (1 - torch.exp(-1.25 * linear.clamp_min(0))).clamp(0, 1) ** (1 / 2.2)
