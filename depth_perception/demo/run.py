"""The demonstration, from the input to the board."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from ..io.bags import stamp_ns
from ..io.encodings import decode_image, pixel_fields
from ..io.ply import write_ply
from ..systems.catalog import model
from . import board, panoptic_board
from . import recording as recorded
from .bags import (
    IMAGE_TOPIC,
    InputBag,
    WorldWalk,
    describe_bag,
    image_at,
    write_image_bag,
    write_world_bag,
)
from .instances import ImageInstances, distance_error, read_instances
from .layout import Fact, Panel, write_board, write_images
from .replay import CLOUD, IMAGE, INSTANCES, OVERLAY, NodeSetup, replay
from .report import Report, make_report, median_frame, print_report
from .session import DemoError

_IMAGE_FRAMES, _IMAGE_RATE_HZ = 8, 2.0
_FARTHEST_M, _FARTHEST_POINT_M = 40.0, 30.0  # limits on the board of a panoptic node


@dataclass(frozen=True)
class DemoOptions:
    """What to replay, and the folder of the results.

    Attributes:
        image: panorama provided by the user.
        bag, topic: bag provided by the user and its image topic; at most one of image and bag.
        walk: the synthetic bag, if neither is given.
        out: folder of the results; those of an earlier run are replaced.
        seconds: replay at most this many seconds of a bag.
        rate: speed of the replay.
    """

    image: Path | None = None
    bag: Path | None = None
    topic: str | None = None
    walk: WorldWalk = field(default_factory=WorldWalk)
    out: Path = Path("out/demo")
    seconds: float = 30.0
    rate: float = 1.0


def run_demo(options: DemoOptions, setup: NodeSetup, console: Console) -> int:
    """Run everything; 0 if the recording is complete and all scores are finite, else 1.

    Raises:
        DemoError, BagReadError, ImageReadError: the source cannot be replayed, or a process failed.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    source = make_source(options, console, pinhole=setup.is_panoptic)
    with console.status("") as status:
        recording = replay(source, setup, options.out, rate=options.rate, say=status.update)
        status.update("comparing")
        report = make_report(source, recording, setup.node_name, setup.recorded)
        if report.is_drawable:
            status.update("drawing")
            draw(source, setup, recording, report, options.out)
    console.print(f"\n{setup.node} with {setup.model} on {source.description}\n", style="bold")
    print_report(console, report)
    paths = {"recording": recording, "node log": options.out / "node.log"}
    if report.is_drawable:
        paths = {"board": options.out / "board.png", "cloud": options.out / "cloud.ply", **paths}
    console.print()
    for name, path in paths.items():
        console.print(f"[dim]{name:<15}[/]{path}", highlight=False, soft_wrap=True)
    if report.problems:
        tail = paths["node log"].read_text(errors="replace").splitlines()[-15:]
        title = "\n--- end of the node log ---"
        console.print(title, *tail, sep="\n", markup=False, soft_wrap=True)
    return 1 if report.problems else 0


def make_source(options: DemoOptions, console: Console, *, pinhole: bool = False) -> InputBag:
    """The bag to replay, of a ``pinhole`` camera or with panoramas; written if it is synthetic."""
    if pinhole and options.image is not None:
        raise DemoError(f"{options.image} has no camera_info: give a bag that contains both")
    if options.bag is not None:
        name = options.bag.resolve().name
        return describe_bag(options.bag, options.topic, name, options.seconds, pinhole=pinhole)
    made = options.out / "input"
    if made.exists():
        shutil.rmtree(made)
    if options.image is not None:
        write_image_bag(made, options.image, _IMAGE_FRAMES, _IMAGE_RATE_HZ)
        return describe_bag(made, IMAGE_TOPIC, options.image.name, options.seconds)
    walk = replace(options.walk, pinhole=pinhole)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("rendering a world", total=walk.frames)
        kind = write_world_bag(made, walk, lambda _: progress.advance(task))
    description = f"a synthetic {kind}, seed {walk.seed}"
    return describe_bag(made, None, description, options.seconds, pinhole=pinhole)


def draw(source: InputBag, setup: NodeSetup, recording: Path, report: Report, out: Path) -> None:
    """Write the board (png, and a smaller jpg), pictures/ and cloud.ply for one frame."""
    depth_m = recorded.depth_maps(recording, f"/{IMAGE}")
    ground_truth_m = {}
    if source.truth_topic is not None:
        ground_truth_m = recorded.depth_maps(source.bag, source.truth_topic)
    shown = set(depth_m)
    if setup.is_panoptic:
        for topic in (OVERLAY, INSTANCES):
            shown &= set(recorded.stamps(recording, f"/{topic}"))
    stamp = median_frame(report, tuple(sorted(shown)))
    content = board.BoardContent(
        image=image_at(source, stamp),
        predicted_m=depth_m[stamp],
        ground_truth_m=ground_truth_m.get(stamp),
        cloud=recorded.cloud_at(recording, f"/{CLOUD}", stamp),
    )
    title, things = "360° depth in metres from a running ROS 2 node", []
    panels: list[Panel] = []
    if setup.is_panoptic:
        title = "Panoptic segmentation with distances from a running ROS 2 node"
        images = {i.stamp_ns: i for i in read_instances(recording, f"/{INSTANCES}", ground_truth_m)}
        things = _thing_facts(images, compared=report.comparison is not None)
        panoptic = _panoptic_content(content, setup, recording, images[stamp])
        panels = panoptic_board.panels(panoptic)
        cloud = replace(panoptic.cloud, colours=panoptic_board.point_colours(panoptic))
    else:
        panels, cloud = board.panels(content), content.cloud
    facts = _facts(report, things)
    number = source.stamps_ns.index(stamp) + 1
    subtitle = f"model {setup.model} · {source.description} · frame {number} of "
    subtitle += f"{len(source.stamps_ns)}{', with the median error' if ground_truth_m else ''}"
    for suffix in ("png", "jpg"):
        write_board(out / f"board.{suffix}", title, subtitle, facts, panels)
    write_images(out / "pictures", panels)
    write_ply(out / "cloud.ply", cloud.points, cloud.colours)


def _panoptic_content(
    content: board.BoardContent, setup: NodeSetup, recording: Path, image: ImageInstances
) -> panoptic_board.PanopticContent:
    cloud = content.cloud
    ids = np.zeros(len(cloud.points), np.uint32) if cloud.instances is None else cloud.instances
    near = cloud.points[:, 2] <= _FARTHEST_POINT_M
    overlays = recorded.messages(recording, f"/{OVERLAY}")
    overlay = next(message for message in overlays if stamp_ns(message) == image.stamp_ns)
    shown = recorded.Cloud(cloud.points[near], cloud.colours[near])
    return panoptic_board.PanopticContent(
        **vars(replace(content, cloud=shown, max_depth_m=_FARTHEST_M)),
        overlay=decode_image(*pixel_fields(overlay)),
        grid=image.grid,
        instances=image.instances,
        point_ids=ids[near],
        classes=[entry.colour for entry in model(setup.model).arguments["config"].classes],
    )


def _facts(report: Report, things: Sequence[Fact]) -> list[Fact]:
    """The figures of the headline, five at most; those of things come after the first."""
    traffic, comparison = report.traffic, report.comparison
    latency = f"{traffic.latency_p50_ms:.0f} / {traffic.latency_p99_ms:.0f} ms"
    facts = [
        Fact(f"{traffic.played} → {traffic.published}", "frames in → out"),
        Fact(latency, "latency p50 / p99, image to depth"),
    ]
    if not things:
        facts.insert(1, Fact(str(len(traffic.unanswered)), "frames dropped"))
    if comparison is None:
        return [*things, *facts]
    accuracy = [Fact(f"{comparison.abs_rel:.3f}", "AbsRel, no alignment")]
    if not things:
        accuracy.append(Fact(f"{comparison.delta1:.1%}", "δ1: within 25 % of ground truth"))
    return [*accuracy, *things, *facts]


def _thing_facts(images: dict[int, ImageInstances], *, compared: bool) -> list[Fact]:
    counts = [sum(one.is_thing for one in image.instances) for image in images.values()]
    facts = [Fact(f"{np.mean(counts):.1f}", "things per image")]
    if compared:
        error = distance_error(images)
        text = f"{error:.1%}" if math.isfinite(error) else "-"
        facts.insert(0, Fact(text, "median error of distances"))
    return facts
