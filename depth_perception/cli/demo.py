"""``depth-perception demo``: replay a bag through the running node, record, compare and draw."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .terminal import failed


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
    world: str | None = None,
    seed: int | None = None,
    frames: int = 30,
    height: int = 256,
    frame_rate: float = 5.0,
    seconds: float = 30.0,
    rate: float = 1.0,
) -> int:
    """Replay a bag through the node, record its output, evaluate it and draw a board.

    Without --image and --bag a synthetic world with exact ground truth is rendered. The results
    are OUT/board.png, OUT/pictures/, OUT/cloud.ply, OUT/recording/ (MCAP) and OUT/node.log.

    Args:
        image: your own panorama (equirectangular, twice as wide as high).
        bag: your own ROS 2 bag.
        topic: image topic of the bag; by default the only one with panoramas.
        node: executable to run; the suffix _depth may be omitted. panoptic_depth replays a street
            seen by a pinhole camera, or the images of a bag that also holds their camera_info.
        out: folder for the results; those of an earlier run are replaced.
        model: name in the catalogue (see `depth-perception models`) of a metric model; by default
            a small model whose weights are part of the package.
        checkpoint: weights file of the model; by default the bundled or downloaded weights.
        device: cpu, cuda, cuda:1, ...; by default the best available one.
        input_height: rows of the network input; by default that of the model.
        world: kind of the synthetic world; any: chosen by the seed. By default street for
            panoptic_depth, otherwise any.
        seed: seed of the synthetic world; by default 910000015 for panoptic_depth, otherwise
            910000014. No seed from 910000000 on was used in training.
        frames: number of images of the synthetic world.
        height: rows of the images of the synthetic world, which are twice as wide.
        frame_rate: images per second of the synthetic world.
        seconds: replay at most this many seconds of the bag.
        rate: speed of the replay; 1 as recorded.
    """
    from rich.console import Console

    from ..demo.replay import PANOPTIC, DemoError, NodeSetup
    from ..systems.catalog import DEFAULT_MODEL

    node = f"{node.removesuffix('_depth')}_depth"
    defaults = ("any", 910_000_014, DEFAULT_MODEL)
    if node == PANOPTIC:
        defaults = ("street", 910_000_015, "panopticdepth-tiny")
    try:
        if image is not None and bag is not None:
            return failed("demo", "--image and --bag exclude each other", 2)
        setup = NodeSetup(node, model or defaults[2], checkpoint, device, input_height)

        from ..demo.bags import WorldWalk
        from ..demo.run import DemoOptions, run_demo

        seed = defaults[1] if seed is None else seed
        walk = WorldWalk(world or defaults[0], seed, frames, frame_rate, height)
        options = DemoOptions(image, bag, topic, walk, out, seconds, rate)
        return run_demo(options, setup, Console())
    except (DemoError, OSError) as error:
        return failed("demo", error)
