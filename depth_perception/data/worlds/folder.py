"""Data sets of worlds on disk: written in parallel, resumable, readable while being written."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ...geometry import Camera
from ...io.atomic import write_text
from ..files import rgb_tensor, write_samples
from ..frames import PanoramaFrame
from ..world_options import FolderOptions
from .classes import CLASS_ID, CLASSES
from .looks import sensor_effects, wild_camera, with_look
from .make import make_world
from .render import render
from .rig import panoramic_camera, patched, with_mount
from .world import World

FORMAT = "depth_perception worlds"
VERSION = 1
_WATCH_S = 1.0
MAX_RANGE_M = 65.0
"""Farther surfaces exceed 16 bits and are stored as 0, like the sky."""


class WorldFolder(Dataset):
    """Reader of a folder of :func:`write_folder`, also while it is being written.

    The reader contains the frames that are complete when the object is created.

    Raises:
        FileNotFoundError: ``root`` has no dataset.json.
        ValueError: the format or version differs.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        path = self.root / "dataset.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist: {self.root} is no folder of worlds")
        self.info = json.loads(path.read_text(encoding="utf-8"))
        found = (self.info.get("format"), self.info.get("version"))
        if found != (FORMAT, VERSION):
            raise ValueError(f"{path} says format and version {found}, not {(FORMAT, VERSION)}")
        self.frames = tuple(_read_index(self.root))

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> PanoramaFrame:
        entry = self.frames[index]
        stem = entry["stem"]
        rgb = cv2.cvtColor(self._image(stem, "rgb"), cv2.COLOR_BGR2RGB)
        range_m = self._image(stem, "range").astype(np.float32) / 1000
        height_m = entry.get("camera_height_m")
        return PanoramaFrame(rgb_tensor(rgb), torch.from_numpy(range_m), stem, height_m)

    def classes(self, index: int) -> Tensor:
        """(H, W) int64 class ids, if the folder was written with labels."""
        return self._labels(index, "classes")

    def instances(self, index: int) -> Tensor:
        """(H, W) int64 instance ids, if the folder was written with labels."""
        return self._labels(index, "instances")

    def pose(self, index: int) -> Tensor:
        """(4, 4) float64 pose of the optical frame in the world."""
        return torch.tensor(self.frames[index]["pose"], dtype=torch.float64)

    def _labels(self, index: int, name: str) -> Tensor:
        return torch.from_numpy(self._image(self.frames[index]["stem"], name).astype(np.int64))

    def _image(self, stem: str, name: str) -> np.ndarray:
        path = self.root / "frames" / f"{stem}_{name}.png"
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise FileNotFoundError(f"cannot read {path}")
        return image


def write_folder(
    root: str | Path,
    seeds: Sequence[int],
    camera: Camera,
    options: FolderOptions | None = None,
    *,
    workers: int = 0,
) -> Iterator[int]:
    """Write the frames of many worlds; existing frames are kept.

    Args:
        root: folder to write or to continue.
        seeds: seeds of the worlds, one world each.
        camera: the grid of all images.
        options: what to write; a folder can be continued only with the same camera and options.
        workers: processes; 0 uses the current process.

    Yields:
        each seed when its frames are complete (existing ones too).

    Raises:
        ValueError: the folder holds a data set with another camera or other options.
    """
    root, options = Path(root), options or FolderOptions()
    (root / "frames").mkdir(parents=True, exist_ok=True)
    _describe(root, camera, options)
    present = {entry["stem"] for entry in _read_index(root)}
    wanted = {seed: {_stem(seed, k) for k in range(options.frames_per_world)} for seed in seeds}
    missing = [seed for seed, stems in wanted.items() if not stems <= present]
    yield from (seed for seed, stems in wanted.items() if stems <= present)
    if workers < 1:
        for seed in missing:
            _append(root, _write_world(root, seed, camera, options), present)
            yield seed
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin_worker, (os.getpid(),))
    try:
        jobs = {pool.submit(_write_world, root, s, camera, options): s for s in missing}
        for job in as_completed(jobs):
            _append(root, job.result(), present)
            yield jobs[job]
    except BaseException:  # an interrupt does not wait for worlds, which take seconds to minutes
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker(parent: int) -> None:
    """One thread for each process, which ends with its parent, however that ended; Ctrl-C is for
    the parent."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _stem(seed: int, index: int) -> str:
    return f"{seed:08d}_{index:03d}"


def frame_pose(
    world: World, index: int, count: int, tilt_deg: float = 0.0, turn: bool = False
) -> Tensor:
    """Pose (4, 4) of frame ``index`` of ``count``, at a position on the path by the seed.

    Pitch and roll are at most ``tilt_deg``; with ``turn`` the camera looks in any direction.
    """
    rng = np.random.default_rng([world.seed, 7, index])
    place = (index + float(rng.random())) / count * world.path_length_m
    pitch, roll = np.radians(tilt_deg) * rng.uniform(-1, 1, 2)
    yaw = rng.uniform(0, 2 * np.pi) if turn else 0.0
    return world.pose(place, float(yaw), float(pitch), float(roll))


@dataclass(frozen=True)
class Sample:
    """One image of a world with its ground truth.

    Attributes:
        stem: name. seed, index: of the world, and of its image. kind: of the world.
        rgb: (H, W, 3) uint8, as the camera delivers it.
        range_m: (H, W) float32 metres along the ray, infinite where there is no surface, or one
            that has no useful range (mirrors, the camera's mount, hidden parts of the image).
        classes, instances: (H, W) int64; hidden parts are "ego".
        normals: (H, W, 3) float32 in the optical frame.
        camera_height_m: height of the camera above the ground where it moves.
        pose: (4, 4) float64, optical frame to world.
    """

    stem: str
    seed: int
    index: int
    kind: str
    rgb: Tensor
    range_m: Tensor
    classes: Tensor
    instances: Tensor
    normals: Tensor
    camera_height_m: float
    pose: Tensor

    @property
    def valid(self) -> Tensor:
        """(H, W) bool: the range is known."""
        return torch.isfinite(self.range_m)

    @property
    def sky(self) -> Tensor:
        """(H, W) bool: nothing is there."""
        return self.classes == CLASS_ID["sky"]


def samples(seed: int, camera: Camera, options: FolderOptions) -> Iterator[Sample]:
    """The images of the world of a seed, as :func:`write_folder` writes them."""
    heights_m = options.camera_heights_m or None
    world = with_look(make_world(options.kind, seed, heights_m), options.look)
    for index in range(options.frames_per_world):
        pose = frame_pose(world, index, options.frames_per_world, options.tilt_deg, options.turn)
        numbers = (seed, 8, index)
        mounted, patch = np.random.default_rng([*numbers, 1]).random(2) < options.rig / 2
        frame = render(
            with_mount(world, pose, numbers) if mounted else world, camera, pose,
            shadows=options.shadows, antialias=options.antialias, textures=options.textures,
        )  # fmt: skip
        rgb, hidden = frame.rgb.cpu(), None
        if options.sensor > 0:
            rgb = sensor_effects(rgb, numbers, options.sensor)
        if options.look == "wild":
            rgb = wild_camera(rgb, numbers)
        range_m, classes, instances = (
            v.cpu() for v in (frame.range_m, frame.classes, frame.instances)
        )
        if patch:
            rgb, hidden = patched(rgb, numbers)
            range_m = torch.where(hidden, torch.inf, range_m)
            classes = torch.where(hidden, CLASS_ID["ego"], classes)
            instances = torch.where(hidden, 0, instances)
        if options.camera > 0:
            rgb = panoramic_camera(rgb, numbers, options.camera)
        yield Sample(
            _stem(seed, index), seed, index, world.kind, rgb, range_m, classes, instances,
            frame.normals.cpu(), float(pose[2, 3]) - world.floor_m, pose,
        )  # fmt: skip


def _write_world(root: Path, seed: int, camera: Camera, options: FolderOptions) -> list[dict]:
    entries = []
    for sample in samples(seed, camera, options):
        _write_sample(root / "frames", sample, options)
        entry = {name: getattr(sample, name) for name in ("stem", "seed", "index", "kind")}
        where = {"camera_height_m": sample.camera_height_m, "split": options.split}
        entries.append(entry | where | {"pose": sample.pose.tolist()})
    return entries


def _write_sample(folder: Path, sample: Sample, options: FolderOptions) -> None:
    range_m = sample.range_m.numpy()
    near = np.isfinite(range_m) & (range_m <= MAX_RANGE_M)
    millimetres = np.where(near, np.round(np.where(near, range_m, 0) * 1000), 0).astype(np.uint16)
    maps = {"rgb": sample.rgb.numpy(), "range": millimetres}
    if options.labels:
        maps["classes"] = sample.classes.numpy().astype(np.uint8)
        maps["instances"] = sample.instances.numpy().astype(np.uint16)
    if options.normals:
        maps["normals"] = np.round((sample.normals.numpy() + 1) * 127.5).astype(np.uint8)
    for name, image in maps.items():
        path = folder / f"{sample.stem}_{name}.png"
        write_samples(path, image, cv2.IMWRITE_PNG_COMPRESSION, 4)


def _describe(root: Path, camera: Camera, options: FolderOptions) -> None:
    described = {
        "format": FORMAT, "version": VERSION,
        "camera": {"type": type(camera).__name__, **asdict(camera)},
        "height": camera.height, "width": camera.width,
        "range_unit_m": 0.001, "max_range_m": MAX_RANGE_M,
        "options": asdict(options), "classes": [asdict(entry) for entry in CLASSES],
    }  # fmt: skip
    text = json.dumps(described, indent=1)
    path = root / "dataset.json"
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        before["options"] = {**asdict(FolderOptions()), **before["options"]}
        now = json.loads(text)  # an older folder has fewer options and classes
        before["options"]["camera_heights_m"] = list(before["options"]["camera_heights_m"])
        if all(entry in now["classes"] for entry in before["classes"]):
            before["classes"] = now["classes"]
        if before != now:
            raise ValueError(
                f"{path} describes another data set; write into another folder, or use its options"
            )
        return
    write_text(path, text + "\n")


def _append(root: Path, entries: list[dict], present: set[str]) -> None:
    """Add complete frames to the index, after removal of an incomplete line."""
    path = root / "frames.jsonl"
    text = "".join(json.dumps(e) + "\n" for e in entries if e["stem"] not in present)
    if path.is_file():
        kept = path.read_bytes()
        if kept and not kept.endswith(b"\n"):
            with path.open("r+b") as index:
                index.truncate(kept.rfind(b"\n") + 1)
    with path.open("a", encoding="utf-8") as index:
        index.write(text)


def _read_index(root: Path) -> list[dict]:
    """Entries of complete frames; an incomplete line is ignored."""
    path = root / "frames.jsonl"
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines if line]
