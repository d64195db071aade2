"""What a panoramic camera adds to its image: its own mount, a patch below, and stitching."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from . import palette
from .scene import Pen, Scene
from .world import World, camera_pose

MOUNTS = ("pole", "pole", "tripod", "robot", "robot", "cage", "operator")
_MOUNT_STREAM, _PATCH_STREAM, _CAMERA_STREAM = 21, 22, 23


def with_mount(world: World, pose: Tensor, seed: tuple[int, ...]) -> World:
    """The world with the mount of a camera at ``pose`` (4, 4): solids of class "ego".

    The mount is a pole, a tripod, the robot below, bars round the camera, or a hand with a stick.
    It turns with the camera.
    """
    scene = Scene(np.random.default_rng([*seed, _MOUNT_STREAM]), fine=world.version > 1)
    _draw_mount(scene, scene.pen("ego"), float(pose[2, 3]) - world.floor_m)
    solids, table, count = scene.primitives(), scene.material_table(), len(world.materials.seed)
    level = camera_pose(torch.zeros(3, dtype=torch.float64), 0.0)[:3, :3]
    turn = (pose[:3, :3] @ level.T).float()
    solids = replace(
        solids,
        centre=solids.centre @ turn.T + pose[:3, 3].float(),
        rotation=turn @ solids.rotation,
        material=solids.material + count,
        top_material=solids.top_material + count,
    )
    return replace(
        world,
        primitives=world.primitives.joined(solids),
        materials=world.materials.joined(table),
    )


def _draw_mount(scene: Scene, pen: Pen, height: float) -> None:
    black = scene.photo("metal", scene.colour(0.6, 0.1, (0.01, 0.35)), 0.5, gloss=0.2)
    style, low = scene.pick(MOUNTS), -height + 0.02
    if style == "tripod" and height < 0.7:
        style = "pole"
    if style in ("pole", "tripod", "operator"):
        pen.cylinder((0, 0, low), scene.uniform(0.008, 0.03), height - 0.1, black)
    if style == "tripod":
        spread, hub = scene.uniform(0.25, 0.5) * height, scene.uniform(-0.5, -0.15) * height
        first = scene.uniform(0, 2)
        for k in range(3):
            angle = first + k * 2 * math.pi / 3
            foot = (spread * math.cos(angle), spread * math.sin(angle), low)
            pen.limb((0, 0, hub), foot, scene.uniform(0.01, 0.02), black, False)
    elif style == "operator":
        cloth, skin = palette.fabric(scene), palette.skin(scene)
        top = max(low + 0.1, -0.45)
        pen.ball((0.0, 0.0, top), 0.05, skin)
        pen.limb((0, 0, top), (-0.25, 0.05, top - 0.1), 0.05, cloth)
        pen.ball((-0.4, 0.1, top - 0.3), (0.18, 0.25, 0.3), cloth)
    elif style == "robot":
        long, wide = scene.uniform(0.2, 0.9), scene.uniform(0.2, 0.7)
        deck = -scene.uniform(0.08, 0.5) * min(1.0, height)
        paint = palette.paint(scene, 1.0)
        thick = max(0.05, min(0.3, height + deck - 0.02))
        x = scene.uniform(-0.3, 0.05)
        pen.box((x, 0, deck - thick), (long, wide, thick), paint)
        pen.cylinder((0, 0, deck), 0.02, -deck - 0.06, black)
        for _ in range(int(scene.rng.integers(0, 4))):
            place = (x + scene.uniform(-0.4, 0.4) * long, scene.uniform(-0.4, 0.4) * wide)
            if math.hypot(*place) > 0.12:
                tall = scene.uniform(0.03, max(0.04, -deck * 1.3))
                pen.cylinder((*place, deck), scene.uniform(0.01, 0.06), tall, black)
    elif style == "cage":
        count, away = int(scene.rng.integers(2, 6)), scene.uniform(0.07, 0.3)
        for k in range(count):
            angle = scene.uniform(0, 0.3) + k * 2 * math.pi / count
            foot = (away * math.cos(angle), away * math.sin(angle), -min(0.3, height - 0.02))
            pen.cylinder(foot, scene.uniform(0.004, 0.015), scene.uniform(0.3, 0.7), black)
        pen.cylinder((0, 0, -min(0.32, height - 0.01)), away * 1.2, 0.02, black)


def patched(rgb: Tensor, seed: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Hide what real panoramas do not have: the bottom, sometimes the top, sometimes poles.

    Args:
        rgb: (H, W, 3) uint8 panorama on the CPU. seed: the result is the same for the same numbers.

    Returns:
        (H, W, 3) uint8, and (H, W) bool, where the image shows no part of the world.
    """
    rng = np.random.default_rng([*seed, _PATCH_STREAM])
    image, (height, width) = rgb.numpy().copy(), rgb.shape[:2]
    hidden = np.zeros((height, width), dtype=bool)
    style = rng.choice(("black", "grey", "blur", "mirror", "logo"))
    rows = int(height * rng.uniform(0.03, 0.22))
    wave = np.sin(np.arange(width) * 2 * np.pi / width * rng.integers(1, 4) + rng.uniform(0, 6))
    border = height - rows + (rng.uniform(0, 0.3) * rows * wave).astype(int)
    below = np.arange(height)[:, None] >= border[None]
    if style == "blur":
        smear = cv2.blur(image, (2 * (width // 8) + 1, 2 * (rows // 2) + 1))
        image = np.where(below[..., None], smear, image)
    elif style == "mirror":
        source = np.clip(2 * border[None] - np.arange(height)[:, None] - 1, 0, height - 1)
        image = np.where(below[..., None], image[source, np.arange(width)[None]], image)
    else:
        image[below] = {"black": 0, "grey": rng.integers(30, 230), "logo": rng.integers(200, 255)}[
            style
        ]
        if style == "logo":
            turn = np.arange(width)[None] * 2 * np.pi / width * rng.integers(2, 9)
            ring = (np.sin(turn) > 0.3) & (np.arange(height)[:, None] < height - rows // 3)
            image[below & ring] = rng.integers(0, 255, 3)
    hidden |= below
    if rng.random() < 0.2:  # cameras that do not see the zenith
        top = int(height * rng.uniform(0.02, 0.15))
        image[:top], hidden[:top] = 0, True
    for _ in range(rng.choice((0,) * 7 + (1, 2, 3))):  # poles near the lens, out of focus
        centre, half = rng.uniform(0, width), width * rng.uniform(0.003, 0.02)
        away = np.abs((np.arange(width) - centre + width / 2) % width - width / 2)
        share = np.clip((half - away) / (0.4 * half) + 0.5, 0, 1)[None, :, None]
        share = share * (np.arange(height) > height * rng.choice((0.0, 0.3)))[:, None, None]
        image = image * (1 - share) + rng.uniform(0, 90) * share
        hidden |= share[..., 0] > 0.3
    return torch.from_numpy(image.astype(np.uint8)), torch.from_numpy(hidden)


def panoramic_camera(rgb: Tensor, seed: tuple[int, ...], strength: float = 1.0) -> Tensor:
    """Traces of panoramic cameras: seams of two lenses, vignetting, sharpening, glare and JPEG.

    Args:
        rgb: (H, W, 3) uint8 panorama on the CPU. seed: the result is the same for the same numbers.
        strength: 0 changes nothing but the compression, 1 is the default strength.

    Returns:
        (H, W, 3) uint8.
    """
    rng = np.random.default_rng([*seed, _CAMERA_STREAM])
    image, (height, width) = rgb.numpy().astype(np.float32), rgb.shape[:2]
    columns = np.arange(width)
    lens = (columns + rng.uniform(0, width)) % (width / 2) / (width / 2) - 0.5  # of two lenses
    seam = np.exp(-(((0.5 - np.abs(lens)) * rng.uniform(15, 60)) ** 2))
    if rng.random() < 0.7:  # parallax: both sides of a seam are shifted
        lift = strength * height * rng.normal(0, 0.008, 2)
        rows, _ = np.mgrid[:height, :width].astype(np.float32)
        side = (np.sign(lens) * seam).astype(np.float32)[None]
        across = (columns[None] + lift[0] * side + np.zeros((height, 1))).astype(np.float32)
        image = cv2.remap(
            image, across, rows + np.float32(lift[1]) * side, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
    dark = 1 - strength * rng.uniform(0, 0.25) * np.abs(2 * lens) ** 3
    halves = np.where((columns + rng.uniform(0, width)) % width < width / 2, 1, -1)
    tints = np.exp(strength * rng.normal(0, 0.02, 3) * halves[:, None] * (1 - seam)[:, None])
    image = image * (dark[:, None] * tints).astype(np.float32)
    if rng.random() < 0.5:  # glare of what is brighter than the sensor
        bright = cv2.blur(np.clip(image - 235, 0, 20), (width // 24 * 2 + 1, height // 16 * 2 + 1))
        image = image + strength * rng.uniform(0, 4) * bright
    blurred = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
    image = image + strength * rng.uniform(-0.7, 0.9) * (image - blurred)
    quality = int(100 - 70 * min(1.0, strength) * rng.random() ** 1.5)
    jpeg = cv2.imencode(
        ".jpg", image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )[1]
    return torch.from_numpy(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))
