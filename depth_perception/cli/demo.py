"""``depth-perception demo``: play a bag into the running node, record, compare and draw."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Literal

from rich.console import Console

from ..demo.bags import SourceError, WorldWalk
from ..demo.replay import PANOPTIC, PANORAMIC, NodeSetup, SetupError
from ..demo.run import DemoOptions, run_demo
from ..demo.session import SessionError
from ..io.bags import BagReadError
from ..io.images import ImageReadError
from ..systems.catalog import DEFAULT_MODEL

# World and model of each node.
_USUAL = MappingProxyType(
    {
        PANORAMIC: ("any", 910_000_014, DEFAULT_MODEL),
        PANOPTIC: ("street", 910_000_015, "panopticdepth-tiny"),
    }
)


def main(
    image: Path | None = None,
    bag: Path | None = None,
    topic: str | None = None,
    node: Literal["panoramic_depth", "panoramic", "panoptic_depth", "panoptic"] = "panoramic_depth",
    out: Path = Path("out/demo"),
    model: str | None = None,
    checkpoint: Path | None = None,
    device: str | None = None,
    input_height: int | None = None,
    world: Literal["any", "room", "corridor", "courtyard", "street"] | None = None,
    seed: int | None = None,
    frames: int = 30,
    height: int = 256,
    frame_rate: float = 5.0,
    seconds: float = 30.0,
    rate: float = 1.0,
) -> int:
    """Play a bag into the node, record what it publishes, judge it and draw a picture board.

    Without --image and --bag a synthetic world is rendered, whose ground truth is exact. The
    results lie in OUT: board.png, pictures/, cloud.ply, recording/ (MCAP), node.log.

    Args:
        image: a panorama of yours (equirectangular, twice as wide as high).
        bag: a ROS 2 bag of yours.
        topic: image topic of the bag; by default the only one with panoramas.
        node: executable to run, with or without _depth at its end. panoptic_depth plays a street
            as a pinhole camera sees it, or the images of a bag that have a camera_info beside them.
        out: folder for the results; those of an earlier run are replaced.
        model: name in the catalogue (see `depth-perception models`); it must return metres. By
            default the one inside the package.
        checkpoint: weights file of the model; by default the embedded or fetched one.
        device: cpu, cuda, cuda:1, ...; by default the best there is.
        input_height: rows of the network input; by default that of the model.
        world: kind of synthetic world; any: the seed decides. By default any, for panoptic_depth a
            street.
        seed: of the synthetic world; by default 910000014, for panoptic_depth 910000015. Training
            used none from 910000000 on.
        frames: how many images of it.
        height: rows of its images, which are twice as wide.
        frame_rate: its images per second.
        seconds: play at most so much of the bag.
        rate: speed of the replay, 1 as recorded.
    """
    console = Console()
    errors = Console(stderr=True)
    if image is not None and bag is not None:
        errors.print("demo: --image and --bag exclude each other")
        return 2
    node = f"{node.removesuffix('_depth')}_depth"
    usual_world, usual_seed, usual_model = _USUAL[node]
    seed = usual_seed if seed is None else seed
    walk = WorldWalk(world or usual_world, seed, frames, frame_rate, height)
    options = DemoOptions(image, bag, topic, walk, out, seconds, rate)
    try:
        setup = NodeSetup(node, model or usual_model, checkpoint, device, input_height)
        return run_demo(options, setup, console)
    except (SetupError, SourceError, BagReadError, ImageReadError, SessionError) as error:
        errors.print("[bold red]demo failed:[/] ", end="")
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
