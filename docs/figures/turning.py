"""Makes docs/images/turning.webp: a turning panorama, its depth, and the point cloud.

``python docs/figures/turning.py`` renders one room of the synthetic worlds, which the model in the
package was not trained on, and runs that model on every frame. Near is warm.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import depth_perception as dp
from depth_perception.data.worlds import make_world, render
from depth_perception.geometry import edge_mask
from depth_perception.io.colormaps import render_depth

KIND, SEED = "room", 920000301
HEIGHT = 448  # rows of the panorama
SHOWN = 216  # rows of the panorama in the picture
FRAMES, SECONDS = 60, 9.0
LIMITS_M = (0.8, 6.0)
CUT_ABOVE_M = 0.5  # points farther above the camera are left out, so that the orbit sees the inside
ORBIT_M, ELEVATION_DEG, FOCAL = 7.5, 42.0, 0.9
BACKGROUND, INK = (18, 20, 24), (235, 238, 242)
TARGET = Path(__file__).parents[1] / "images" / "turning.webp"

Picture = NDArray[np.uint8]


def turned_panoramas() -> list[Picture]:
    """One panorama (H, 2H, 3) for each frame, turned by a full turn in all."""
    world = make_world(KIND, seed=SEED)
    camera = dp.Equirectangular(HEIGHT, 2 * HEIGHT)
    picture = render(world, camera, world.pose(1.0), antialias=True).rgb.numpy()
    return [np.roll(picture, -2 * HEIGHT * frame // FRAMES, axis=1) for frame in range(FRAMES)]


def depth_colours(prediction: dp.Prediction) -> Picture:
    """Depth (H, W, 3) in colours of its logarithm, near is warm; gray where there is none."""
    valid = prediction.valid.numpy()
    nearness = -np.log(np.where(valid, prediction.depth.numpy(), LIMITS_M[1]))
    limits = (-math.log(LIMITS_M[1]), -math.log(LIMITS_M[0]))
    return render_depth(nearness, valid, limits=limits, colormap="turbo")


def cloud_picture(points: NDArray[np.float32], colours: Picture, yaw: float, size: int) -> Picture:
    """The cloud (N, 3) in perspective, (size, size, 3), seen from an orbit around its middle."""
    down = math.radians(ELEVATION_DEG)
    around = np.array(
        [[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]]
    )
    tilt = np.array(
        [[1, 0, 0], [0, math.cos(down), -math.sin(down)], [0, math.sin(down), math.cos(down)]]
    )
    seen = (points - np.median(points, axis=0)) @ (tilt @ around).T + (0, 0, ORBIT_M)
    fine = 2 * size
    order = np.argsort(-seen[:, 2])
    columns, rows = (seen[order, :2] / seen[order, 2:] * FOCAL * fine + fine / 2).astype(int).T
    inside = (columns >= 0) & (columns < fine) & (rows >= 0) & (rows < fine)
    nearest = np.full((fine, fine), -1.0)
    nearest[rows[inside], columns[inside]] = np.flatnonzero(inside)  # the last, nearest one stays
    nearest = cv2.dilate(nearest, np.ones((5, 5), np.uint8)).astype(int)
    canvas = np.full((fine, fine, 3), BACKGROUND, np.uint8)
    canvas[nearest >= 0] = colours[order[nearest[nearest >= 0]]]
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


def labelled(picture: Picture, text: str) -> Picture:
    """The picture with a line of text in its upper left corner."""
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text((8, 6), text, INK, stroke_width=2, stroke_fill=BACKGROUND)
    return np.asarray(image)


def shrunk(picture: Picture) -> Picture:
    return cv2.resize(picture, (2 * SHOWN, SHOWN), interpolation=cv2.INTER_AREA)


def main() -> None:
    estimator = dp.load("panda-tiny-metric", seam="circular", output_size="input")
    frames = []
    cloud: tuple[NDArray[np.float32], Picture] | None = None
    for number, panorama in enumerate(turned_panoramas()):
        with torch.inference_mode():
            prediction = estimator(panorama)
        if cloud is None:
            edges = edge_mask(prediction.depth, 0.06, prediction.valid, wraps=True)
            points = prediction.points()
            kept = (prediction.valid & ~edges & (points[..., 1] > -CUT_ABOVE_M)).numpy()
            cloud = points.numpy()[kept], panorama[kept]
        left = np.vstack(
            [
                labelled(shrunk(panorama), "360 degree image"),
                labelled(shrunk(depth_colours(prediction)), "depth, near is warm"),
            ]
        )
        yaw = 2 * math.pi * number / FRAMES
        right = labelled(cloud_picture(*cloud, yaw, 2 * SHOWN), "point cloud")
        frames.append(Image.fromarray(np.hstack([left, right])))
    frames[0].save(
        TARGET,
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 * SECONDS / FRAMES),
        loop=0,
        quality=65,
        method=4,
    )
    print(f"{TARGET}: {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
