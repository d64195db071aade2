"""Synthetic worlds on the command line: contact sheets, data sets and bags."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from ..data.world_options import BASELINE_M, KIND_TEXT, FolderOptions, Walk
from ..options import documented, flag, option
from .terminal import failed, plain_console

if TYPE_CHECKING:
    from rich.console import Console

    from ..data.threed60 import View
    from ..data.worlds import Frame
    from ..geometry import Camera


@documented
@dataclass(frozen=True)
class Lens:
    """The camera: a full panorama, or a pinhole camera."""

    model: Literal["equirectangular", "pinhole"] = option(
        "equirectangular", "projection of the camera."
    )
    height: int = option(168, "rows of the image.")
    width: int = option(0, "columns; 0 takes 2:1 for panoramas and 4:3 for pinholes.")
    fov: float = option(90.0, "horizontal field of view of a pinhole, degrees.")

    def camera(self) -> Camera:
        """The camera on its grid."""
        from ..geometry import Equirectangular, Pinhole

        if self.model == "equirectangular":
            return Equirectangular(self.height, self.width or 2 * self.height)
        width = self.width or round(self.height * 4 / 3)
        return Pinhole.from_fov(self.height, width, self.fov * math.pi / 180)


@documented
@dataclass(frozen=True)
class Sheet:
    """Draw image, range and classes of some worlds side by side into a PNG."""

    out: tyro.conf.Positional[Path] = flag(MISSING, "PNG to write.")
    seed: int = option(0, "first seed.")
    count: int = option(8, "number of worlds.")
    columns: int = option(2, "worlds per row.")
    lens: Lens = field(default_factory=Lens)
    """the camera."""
    options: FolderOptions = field(default_factory=FolderOptions)
    """how the worlds are rendered."""

    def run(self, console: Console) -> None:
        from ..data.worlds.sheet import contact_sheet

        seeds = range(self.seed, self.seed + self.count)
        camera = self.lens.camera()
        contact_sheet(self.out, seeds, camera, self.columns, self.options)
        console.print(f"{self.out}: {self.count} worlds from seed {self.seed}")


@documented
@dataclass(frozen=True)
class Folder:
    """Write a data set, or continue an interrupted one."""

    out: tyro.conf.Positional[Path] = flag(MISSING, "folder of the data set.")
    seed: int = option(0, "first seed; each world has its own.")
    count: int = option(100, "number of worlds.")
    workers: int = option(0, "number of processes; 0 renders in this one.")
    lens: Lens = field(default_factory=Lens)
    """the camera."""
    options: FolderOptions = field(default_factory=FolderOptions)
    """what to write."""

    def run(self, console: Console) -> None:
        from rich.progress import track

        from ..data.worlds import write_folder

        seeds = range(self.seed, self.seed + self.count)
        work = write_folder(self.out, seeds, self.lens.camera(), self.options, workers=self.workers)
        for _ in track(work, "worlds", total=len(seeds), console=console):
            pass
        console.print(f"{self.out}: {self.count} worlds from seed {self.seed}")


@documented
@dataclass(frozen=True)
class Bag:
    """Write a bag of a walk through one world, with exact depth and TF."""

    out: tyro.conf.Positional[Path] = flag(MISSING, "folder of the bag; it must not exist.")
    kind: str = option("any", KIND_TEXT)
    seed: int = option(0, "seed of the world.")
    lens: Lens = field(default_factory=Lens)
    """the camera."""
    walk: Walk = field(default_factory=Walk)
    """how the camera moves."""

    def run(self, console: Console) -> None:
        from ..data.worlds import make_world, write_bag

        world = make_world(self.kind, self.seed)
        with console.status(f"rendering a {world.kind}"):
            write_bag(self.out, world, self.lens.camera(), self.walk)
        console.print(f"{self.out}: {self.walk.frames} images of a {world.kind} (seed {self.seed})")


@documented
@dataclass(frozen=True)
class Stereo:
    """Write panorama triplets with exact range, in the layout of 3D60."""

    out: tyro.conf.Positional[Path] = flag(
        MISSING, "folder of the data set; its list of frames is split.txt."
    )
    kind: str = option("any", KIND_TEXT)
    seed: int = option(0, "first seed; each world has its own.")
    count: int = option(100, "number of worlds.")
    places: int = option(
        2, "triplets in each world; those with an obstacle at one of the views are left out."
    )
    height: int = option(128, "rows of the panoramas; they are twice as wide.")
    baseline: float = option(
        BASELINE_M, "distance of the right and upper view from the centre, metres."
    )

    def run(self, console: Console) -> None:
        from rich.progress import track

        from ..data.threed60 import write_threed60
        from ..data.worlds import make_world
        from ..data.worlds.folder import frame_pose
        from ..data.worlds.stereo import render_triplet
        from ..geometry import Equirectangular

        camera = Equirectangular(self.height, 2 * self.height)
        seeds = range(self.seed, self.seed + self.count)

        def places() -> Iterator[tuple[View, View, View]]:
            for seed in track(seeds, "worlds", console=console):
                world = make_world(self.kind, seed)
                for index in range(self.places):
                    pose = frame_pose(world, index, self.places)
                    found = render_triplet(world, camera, pose, self.baseline)
                    if found is not None:
                        yield _view(found.centre), _view(found.right), _view(found.up)

        listing = write_threed60(self.out, places())
        console.print(f"{listing}: panoramas of {self.count} worlds from seed {self.seed}")


@documented
@dataclass(frozen=True)
class Dvps:
    """Write short videos of streets with segments and depth, in the layout of Cityscapes-DVPS."""

    out: tyro.conf.Positional[Path] = flag(MISSING, "folder of the data set.")
    split: str = option("train", "train, val or test.")
    seed: int = option(0, "first seed; each video has its own street.")
    count: int = option(100, "number of videos.")
    frames: int = option(6, "number of frames of each video.")
    step: float = option(0.5, "distance between two frames, metres.")
    height: int = option(128, "rows of the images.")
    width: int = option(256, "columns of the images.")
    fov: float = option(90.0, "horizontal field of view, degrees.")
    sensor: float = option(0.0, "strength of noise and blur, 0 to 1.")
    kind: str = option("street", KIND_TEXT)

    def run(self, console: Console) -> None:
        from rich.progress import track

        from ..data.dvps import street_sequences, write_cityscapes_dvps
        from ..geometry import Pinhole

        camera = Pinhole.from_fov(self.height, self.width, math.radians(self.fov))
        seeds = range(self.seed, self.seed + self.count)
        videos = street_sequences(
            track(seeds, "streets", console=console),
            camera,
            self.frames,
            step_m=self.step,
            sensor=self.sensor,
            kind=self.kind,
        )
        written = write_cityscapes_dvps(self.out, self.split, videos)
        console.print(f"{self.out}: {written} images of {self.count} streets from {self.seed}")


def _view(frame: Frame) -> View:
    import torch

    from ..data.threed60 import View

    known = torch.isfinite(frame.range_m)
    return View(frame.rgb.permute(2, 0, 1), torch.where(known, frame.range_m, 0))


Action = Sheet | Folder | Bag | Stereo | Dvps


def main(action: tyro.conf.OmitArgPrefixes[tyro.conf.OmitSubcommandPrefixes[Action]]) -> int:
    """Render synthetic worlds with exact ground truth: images, data sets or bags.

    Args:
        action: what to make.
    """
    try:
        action.run(plain_console())
    except (ValueError, OSError, RuntimeError) as error:
        return failed("worlds", error)
    return 0
