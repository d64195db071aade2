"""Tiny data sets of pinhole cameras."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ...io.depth_files import write_array
from ...io.exr import write_exr
from ..benchmarks.zero_shot import IBIMS_PER_METRE
from ..files import write_lines, write_rgb, write_samples
from ..hypersim import CAMERA as HYPERSIM_CAMERA
from ..hypersim import depth_path, write_range
from ..photos import KITTI_CROP, bottom_centre_box
from .scenes import Scene, depth_steps, enlarged, photo

KITTI = (375, 1242)
INDOOR = (480, 640)
"""Large enough for the crop of NYU, whose rows and columns are fixed numbers."""


def rooms(count: int = 2, size: tuple[int, int] = INDOOR, first: int = 0) -> list[Scene]:
    """Render rooms and enlarge them to a size by repeating pixels."""
    return [enlarged(photo("room", first + k), size) for k in range(count)]


def outdoors(count: int = 2, size: tuple[int, int] = KITTI, first: int = 0) -> list[Scene]:
    """Render courtyards at about the aspect ratio of KITTI and enlarge them."""
    return [enlarged(photo("courtyard", first + k, (24, 80)), size) for k in range(count)]


def listed(
    listing: str, per_metre: float, image: str, depth: str, *, outdoor: bool, more: str = ""
) -> Callable[[Path], dict[str, list[Scene]]]:
    """Writer of a set with lines ``image depth [more]``, formatted with ``{k}`` and ``{fx}``."""

    def write(root: Path) -> dict[str, list[Scene]]:
        scenes, lines = (outdoors() if outdoor else rooms()), []
        for k, scene in enumerate(scenes):
            names = image.format(k=k), depth.format(k=k)
            write_rgb(root / names[0], scene.rgb)
            write_samples(root / names[1], depth_steps(scene.depth_m, per_metre))
            lines.append(" ".join((*names, more.format(fx=scene.camera.fx, k=k))).strip())
        write_lines(root / listing, lines)
        return {"test": scenes}

    return write


def nyu(root: Path) -> dict[str, list[Scene]]:
    """NYU with the list of the benchmark; its third column is depth with filled holes."""
    filled = "test/bedroom/filled_{k}.png"
    write = listed(
        "filename_list.txt", 1000, "test/bedroom/rgb_{k}.png", "test/bedroom/depth_{k}.png",
        outdoor=False, more=filled,
    )  # fmt: skip
    made = write(root)
    for k, scene in enumerate(made["test"]):
        write_samples(root / filled.format(k=k), depth_steps(scene.depth_m.clamp_min(0.5), 1000))
    return made


def nyu_folders(root: Path) -> dict[str, list[Scene]]:
    """NYU with scene classes in the file names; two images per split."""
    made = {"train": rooms(2), "test": rooms(2, first=2)}
    for split, scenes in made.items():
        for k, scene in enumerate(scenes):
            name = f"{('bedroom', 'kitchen')[k]}_{k:04d}"
            write_rgb(root / "images" / split / f"{name}.jpg", scene.rgb)
            depth = root / "annotations" / split / f"{name}.png"
            write_samples(depth, depth_steps(scene.depth_m, 1000))
    return made


def kitti(root: Path) -> dict[str, list[Scene]]:
    """KITTI with the list of Eigen et al., including a line without depth."""
    write = listed(
        "filename_list.txt", 256, "drive/image_02/data/{k:010d}.png",
        "drive/proj_depth/groundtruth/image_02/{k:010d}.png", outdoor=True, more="{fx:.4f}",
    )  # fmt: skip
    made = write(root)
    with (root / "filename_list.txt").open("a", encoding="utf-8") as file:
        file.write("drive/image_02/data/unknown.png None 721.5\n")
    return made


def kitti_folders(root: Path) -> dict[str, list[Scene]]:
    """KITTI with images below ``input``, depth below ``gt_depth`` and a list per split."""
    made = {"train": outdoors(2), "test": outdoors(1, first=2)}
    for split, scenes in made.items():
        lines = []
        for k, scene in enumerate(scenes):
            drive = f"2011_09_26_drive_{len(made) + ('train', 'test').index(split):04d}_sync"
            image = f"2011_09_26/{drive}/image_02/data/{k:010d}.png"
            depth = f"{drive}/proj_depth/groundtruth/image_02/{k:010d}.png"
            write_rgb(root / "input" / image, scene.rgb)
            write_samples(root / "gt_depth" / depth, depth_steps(scene.depth_m, 256))
            lines.append(f"{image} {depth} 721.5377")
        write_lines(root / f"kitti_eigen_{split}.txt", [*lines, "unknown.png None 721.5377"])
    top, _, left, right = bottom_centre_box(*KITTI)
    for scenes in made.values():
        for k, scene in enumerate(scenes):
            maps = (scene.rgb, scene.range_m, scene.depth_m)
            camera = scene.camera.crop(top, left, *KITTI_CROP)
            scenes[k] = Scene(*(m[..., top:, left:right] for m in maps), camera)
    return made


def sunrgbd(root: Path) -> dict[str, list[Scene]]:
    """SUN RGB-D: two frames of the archive and a list; millimetres rotated left by 3 bits."""
    scenes, lines = rooms(), []
    for k, scene in enumerate(scenes):
        frame = f"SUNRGBD/kv1/NYUdata/NYU{k + 1:04d}"
        image, depth = f"{frame}/image/NYU{k + 1:04d}.jpg", f"{frame}/depth/NYU{k + 1:04d}.png"
        samples = depth_steps(scene.depth_m, 1000)
        write_rgb(root / image, scene.rgb)
        write_samples(root / depth, (samples << 3) | (samples >> 13))
        fx = scene.camera.fx
        write_lines(root / frame / "intrinsics.txt", [f"{fx} 0 320 0 {fx} 240 0 0 1"])
        lines.append(f"{image} {depth} {fx:.4f}")
    write_lines(root / "SUNRGBD_val_splits.txt", lines)
    return {"test": scenes}


def ibims(root: Path) -> dict[str, list[Scene]]:
    """iBims-1 with depth as in the archive; a mask excludes the two lowest rows."""
    scenes, names = rooms(), []
    for k, scene in enumerate(scenes):
        name = f"room_{k:02d}"
        write_rgb(root / "rgb" / f"{name}.png", scene.rgb)
        write_samples(root / "depth" / f"{name}.png", depth_steps(scene.depth_m, IBIMS_PER_METRE))
        valid = np.full(INDOOR, 255, np.uint8)
        write_samples(root / "mask_transp" / f"{name}.png", valid)
        valid[-2:] = 0
        write_samples(root / "mask_invalid" / f"{name}.png", valid)
        camera = scene.camera
        numbers = (camera.fx, camera.fy, camera.cx - 0.5, camera.cy - 0.5)
        write_lines(root / "calib" / f"{name}.txt", [",".join(map(str, numbers))])
        names.append(name)
    write_lines(root / "imagelist.txt", names)
    for scene in scenes:
        scene.depth_m[-2:] = 0
    return {"test": scenes}


def vkitti2(root: Path) -> dict[str, list[Scene]]:
    """Virtual KITTI 2: two frames of a drive; sky has a depth of 655.35 m."""
    scenes = outdoors()
    frames = root / "Scene01" / "clone" / "frames"
    for k, scene in enumerate(scenes):
        write_rgb(frames / "rgb" / "Camera_0" / f"rgb_{k:05d}.jpg", scene.rgb)
        scene.depth_m[scene.depth_m == 0] = 655.35
        samples = (scene.depth_m * 100).round().clamp(max=65535).numpy().astype(np.uint16)
        write_samples(frames / "depth" / "Camera_0" / f"depth_{k:05d}.png", samples)
    return {"test": scenes}


def diode(root: Path) -> dict[str, list[Scene]]:
    """DIODE: images with depth and mask in the same folder."""
    scenes = rooms(size=(96, 128))
    folder = root / "indoors" / "scene_00019" / "scan_00183"
    for k, scene in enumerate(scenes):
        stem = f"00019_00183_indoors_{k:03d}"
        write_rgb(folder / f"{stem}.png", scene.rgb)
        write_array(folder / f"{stem}_depth.npy", scene.depth_m.numpy()[..., None])
        mask = (scene.depth_m > 0).float().numpy()
        write_array(folder / f"{stem}_depth_mask.npy", mask)
    return {"test": scenes}


def eth3d(root: Path) -> dict[str, list[Scene]]:
    """ETH3D: depth as raw float32 in files named .JPG."""
    scenes, lines = rooms(size=(96, 144)), []
    for k, scene in enumerate(scenes):
        image = f"rgb/office/images/dslr_images/DSC_{k:04d}.png"
        depth = f"depth/office/ground_truth_depth/dslr_images/DSC_{k:04d}.JPG"
        write_rgb(root / image, scene.rgb)
        values = torch.where(scene.depth_m > 0, scene.depth_m, torch.inf)
        (root / depth).parent.mkdir(parents=True, exist_ok=True)
        values.numpy().astype("<f4").tofile(root / depth)
        lines.append(f"{image} {depth}")
    write_lines(root / "eth3d_filename_list.txt", lines)
    return {"test": scenes}


def hypersim(root: Path) -> dict[str, list[Scene]]:
    """Hypersim: two frames as published, with range in HDF5."""
    scenes = rooms(size=(96, 128))
    folder = root / "ai_001_001" / "images" / "scene_cam_00_final_preview"
    for k, scene in enumerate(scenes):
        image = folder / f"frame.{k:04d}.tonemap.jpg"
        write_rgb(image, scene.rgb)
        camera = HYPERSIM_CAMERA.resize(*scene.depth_m.shape)
        write_range(depth_path(image), camera.convert(scene.depth_m, "z", "range").numpy())
    return {"all": scenes}


def hypersim_json(root: Path) -> dict[str, list[Scene]]:
    """Hypersim with lists for two splits in ``hypersim.json``."""
    made, lists = {"train": rooms(2, (96, 128)), "val": rooms(1, (96, 128), first=2)}, {}
    for split, scenes in made.items():
        pairs = [(f"{split}/{k}/rgb.png", f"{split}/{k}/depth.png") for k in range(len(scenes))]
        for (image, depth), scene in zip(pairs, scenes, strict=True):
            write_rgb(root / image, scene.rgb)
            write_samples(root / depth, depth_steps(scene.depth_m, 1000))
        images, depths = map(list, zip(*pairs, strict=True))
        lists |= {f"{split}_rgb_paths": images, f"{split}_dpt_paths": depths}
    write_lines(root / "hypersim.json", [json.dumps(lists)])
    return made


def urbansyn(root: Path) -> dict[str, list[Scene]]:
    """UrbanSyn: depth as EXR in units of 1e5 m."""
    scenes = outdoors(size=(48, 96))
    for k, scene in enumerate(scenes):
        write_rgb(root / "rgb" / f"rgb_{k:04d}.png", scene.rgb)
        scene.depth_m[scene.depth_m == 0] = 1000.0
        write_exr(root / "depth" / f"depth_{k:04d}.exr", {"Y": scene.depth_m.numpy() / 1e5})
    return {"all": scenes}


def unrealstereo4k(root: Path) -> dict[str, list[Scene]]:
    """UnrealStereo4K: disparity, with a baseline of 0.4 m."""
    scenes, baseline_m = outdoors(size=(48, 96)), 0.4
    for k, scene in enumerate(scenes):
        folder, fx = root / f"{k:05d}", scene.camera.fx
        write_rgb(folder / "Image0" / "00000.png", scene.rgb)
        scene.depth_m[scene.depth_m == 0] = 1000.0
        write_array(folder / "Disp0" / "00000.npy", (fx * baseline_m / scene.depth_m).numpy())
        for name, x in (("Extrinsics0", 0.0), ("Extrinsics1", -baseline_m)):
            lines = [f"{fx} 0 48 0 {fx} 24 0 0 1", f"1 0 0 {x} 0 1 0 0 0 0 1 0"]
            write_lines(folder / name / "00000.txt", lines)
    return {"all": scenes}


def tartanair(root: Path) -> dict[str, list[Scene]]:
    """TartanAir: two frames of a flight."""
    scenes = outdoors(size=(48, 64))
    place = root / "abandonedfactory" / "Easy" / "P000"
    for k, scene in enumerate(scenes):
        write_rgb(place / "image_left" / f"{k:06d}_left.png", scene.rgb)
        scene.depth_m[scene.depth_m == 0] = 1000.0
        write_array(place / "depth_left" / f"{k:06d}_left_depth.npy", scene.depth_m.numpy())
    return {"all": scenes}
