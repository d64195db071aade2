"""Synthetic worlds on the command line: contact sheets, data sets and bags."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..data.world_options import BASELINE_M, FolderOptions, Kind, Look, Walk
from .terminal import failed, plain_console

if TYPE_CHECKING:
    from rich.console import Console

    from ..data.threed60 import View
    from ..data.worlds import Frame
    from ..geometry import Camera


@dataclass(frozen=True)
class Lens:
    """The camera: a full panorama, or a pinhole camera.

    Attributes:
        model: projection of the camera.
        height: rows of the image.
        width: columns; 0 takes 2:1 for panoramas and 4:3 for pinholes.
        fov: horizontal field of view of a pinhole, degrees.
    """

    model: Literal["equirectangular", "pinhole"] = "equirectangular"
    height: int = 168
    width: int = 0
    fov: float = 90.0

    def camera(self) -> Camera:
        """The camera on its grid."""
        from ..geometry import Equirectangular, Pinhole

        if self.model == "equirectangular":
            return Equirectangular(self.height, self.width or 2 * self.height)
        width = self.width or round(self.height * 4 / 3)
        return Pinhole.from_fov(self.height, width, self.fov * math.pi / 180)


@dataclass(frozen=True)
class Sheet:
    """Draw image, range and classes of some worlds side by side into a PNG.

    Attributes:
        out: PNG to write.
        kind: kind of world.
        seed: first seed.
        count: number of worlds.
        columns: worlds per row.
        look: usual, or wild: with other materials, light and air.
        lens: the camera.
    """

    out: tyro.conf.Positional[Path]
    kind: Kind = "any"
    seed: int = 0
    count: int = 8
    columns: int = 2
    look: Look = "usual"
    lens: Lens = field(default_factory=Lens)

    def run(self, console: Console) -> None:
        from ..data.worlds.sheet import contact_sheet

        seeds = range(self.seed, self.seed + self.count)
        camera = self.lens.camera()
        contact_sheet(self.out, self.kind, seeds, camera, self.columns, look=self.look)
        console.print(f"{self.out}: {self.count} worlds from seed {self.seed}")


@dataclass(frozen=True)
class Folder:
    """Write a data set, or continue an interrupted one.

    Attributes:
        out: folder of the data set.
        seed: first seed; each world has its own.
        count: number of worlds.
        workers: number of processes; 0 renders in this one.
        lens: the camera.
        options: what to write.
    """

    out: tyro.conf.Positional[Path]
    seed: int = 0
    count: int = 100
    workers: int = 0
    lens: Lens = field(default_factory=Lens)
    options: FolderOptions = field(default_factory=FolderOptions)

    def run(self, console: Console) -> None:
        from rich.progress import track

        from ..data.worlds import write_folder

        seeds = range(self.seed, self.seed + self.count)
        work = write_folder(self.out, seeds, self.lens.camera(), self.options, workers=self.workers)
        for _ in track(work, "worlds", total=len(seeds), console=console):
            pass
        console.print(f"{self.out}: {self.count} worlds from seed {self.seed}")


@dataclass(frozen=True)
class Bag:
    """Write a bag of a walk through one world, with exact depth and TF.

    Attributes:
        out: folder of the bag; it must not exist.
        kind: kind of world.
        seed: seed of the world.
        lens: the camera.
        walk: how the camera moves.
    """

    out: tyro.conf.Positional[Path]
    kind: Kind = "any"
    seed: int = 0
    lens: Lens = field(default_factory=Lens)
    walk: Walk = field(default_factory=Walk)

    def run(self, console: Console) -> None:
        from ..data.worlds import make_world, write_bag

        world = make_world(self.kind, self.seed)
        with console.status(f"rendering a {world.kind}"):
            write_bag(self.out, world, self.lens.camera(), self.walk)
        console.print(f"{self.out}: {self.walk.frames} images of a {world.kind} (seed {self.seed})")


@dataclass(frozen=True)
class Stereo:
    """Write panorama triplets with exact range, in the layout of 3D60.

    Attributes:
        out: folder of the data set; its list of frames is split.txt.
        kind: kind of world.
        seed: first seed; each world has its own.
        count: number of worlds.
        places: triplets in each world; those with an obstacle at one of the views are left out.
        height: rows of the panoramas; they are twice as wide.
        baseline: distance of the right and upper view from the centre, metres.
    """

    out: tyro.conf.Positional[Path]
    kind: Kind = "any"
    seed: int = 0
    count: int = 100
    places: int = 2
    height: int = 128
    baseline: float = BASELINE_M

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


@dataclass(frozen=True)
class Dvps:
    """Write short videos of streets with segments and depth, in the layout of Cityscapes-DVPS.

    Attributes:
        out: folder of the data set.
        split: train, val or test.
        seed: first seed; each video has its own street.
        count: number of videos.
        frames: number of frames of each video.
        step: distance between two frames, metres.
        height: rows of the images.
        width: columns of the images.
        fov: horizontal field of view, degrees.
        sensor: strength of noise and blur, 0 to 1.
    """

    out: tyro.conf.Positional[Path]
    split: str = "train"
    seed: int = 0
    count: int = 100
    frames: int = 6
    step: float = 0.5
    height: int = 128
    width: int = 256
    fov: float = 90.0
    sensor: float = 0.0

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
        )
        written = write_cityscapes_dvps(self.out, self.split, videos)
        console.print(f"{self.out}: {written} images of {self.count} streets from {self.seed}")


def _view(frame: Frame) -> View:
    import torch

    from ..data.threed60 import View

    known = torch.isfinite(frame.range_m)
    return View(frame.rgb.permute(2, 0, 1), torch.where(known, frame.range_m, 0))


Action = (
    Annotated[Sheet, tyro.conf.subcommand("sheet", prefix_name=False)]
    | Annotated[Folder, tyro.conf.subcommand("folder", prefix_name=False)]
    | Annotated[Bag, tyro.conf.subcommand("bag", prefix_name=False)]
    | Annotated[Stereo, tyro.conf.subcommand("stereo", prefix_name=False)]
    | Annotated[Dvps, tyro.conf.subcommand("dvps", prefix_name=False)]
)


def main(action: tyro.conf.OmitArgPrefixes[Action]) -> int:
    """Render synthetic worlds with exact ground truth: images, data sets or bags.

    Args:
        action: what to make.
    """
    try:
        action.run(plain_console())
    except (ValueError, OSError, RuntimeError) as error:
        return failed("worlds", error)
    return 0
