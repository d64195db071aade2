"""Small data sets of synthetic worlds in the layouts of the benchmarks, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from depth_perception.data.benchmarks import BENCHMARKS
from depth_perception.data.worlds import Frame, make_world, render
from depth_perception.data.worlds.folder import frame_pose
from depth_perception.geometry import Pinhole
from depth_perception.io.images import write_image

_LIST = "filename_list.txt"


def write_sample(
    name: str, root: str | Path, camera: Pinhole, seeds: Sequence[int] = (0, 1), kind: str = "any"
) -> tuple[Frame, ...]:
    """Write one frame of each world in the layout of a benchmark and return what was rendered.

    Args:
        name: of the benchmark.
        root: folder to write to.
        camera: the grid.
        seeds: worlds.
        kind: of world.

    Raises:
        KeyError: no such benchmark.
    """
    if name not in BENCHMARKS:
        raise KeyError(f"no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    root, frames, lines = Path(root), [], []
    for seed in seeds:
        world = make_world(kind, seed)
        frame = render(world, camera, frame_pose(world, 0, 1), shadows=False)
        frames.append(frame)
        lines.append(_write(name, root, f"{seed:05d}", frame))
    if name == "kitti":
        lines.append(f"drive/image_02/data/unknown.png None {camera.fx:.4f}")
    if name != "diode":
        (root / _LIST).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tuple(frames)


def _write(name: str, root: Path, stem: str, frame: Frame) -> str:
    """Write a frame; returns its line of the list."""
    z_m = frame.z_m.numpy()
    known = np.isfinite(z_m)
    image, depth = {
        "nyu": (f"test/room/rgb_{stem}.png", f"test/room/depth_{stem}.png"),
        "scannet": (f"scene{stem}/color/0.jpg", f"scene{stem}/depth/0.png"),
        "kitti": (
            f"drive/image_02/data/{stem}.png",
            f"drive/proj_depth/groundtruth/image_02/{stem}.png",
        ),
        "eth3d": (f"rgb/{stem}/dslr_images/DSC.png", f"depth/{stem}/dslr_images/DSC.JPG"),
        "diode": (f"indoors/{stem}.png", f"indoors/{stem}_depth.npy"),
    }[name]
    for path in (image, depth):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    write_image(root / image, frame.rgb.numpy())
    if name == "eth3d":
        np.where(known, z_m, np.inf).astype("<f4").tofile(root / depth)
    elif name == "diode":
        np.save(root / depth, np.where(known, z_m, 0)[..., None].astype(np.float32))
        np.save(root / f"indoors/{stem}_depth_mask.npy", known.astype(np.float32))
    else:
        steps = np.where(known, z_m, 0) * (256 if name == "kitti" else 1000)
        _write_png(root / depth, np.where(steps < 65535, steps.round(), 0).astype(np.uint16))
    if name == "nyu":
        _write_png(root / f"test/room/filled_{stem}.png", np.full(z_m.shape, 1, np.uint16))
        return f"{image} {depth} test/room/filled_{stem}.png"
    return f"{image} {depth} {frame.camera.fx:.4f}" if name == "kitti" else f"{image} {depth}"


def _write_png(path: Path, samples: np.ndarray) -> None:
    if not cv2.imwrite(str(path), samples):
        raise OSError(f"cannot write {path}")
