"""The demonstration from the source to the board."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from ..io.ply import write_ply
from . import recording as recorded
from .bags import (
    PICTURE_TOPIC,
    Source,
    WorldWalk,
    describe_bag,
    image_at,
    write_picture_bag,
    write_world_bag,
)
from .board import BoardContent, Fact, write_board, write_pictures
from .panoptic_run import draw_panoptic, shown_stamps
from .replay import CLOUD, IMAGE, NodeSetup, replay
from .report import Report, make_report, median_frame, print_report
from .session import DemoError

_PICTURE_FRAMES, _PICTURE_RATE_HZ = 8, 2.0


@dataclass(frozen=True)
class DemoOptions:
    """What to play and where the results go.

    Attributes:
        image: a panorama of the user.
        bag, topic: a bag of the user and its image topic; at most one of image and bag.
        walk: the synthetic bag, if neither is given.
        out: folder of the results; what an earlier run left there is replaced.
        seconds: play at most so much of a bag.
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
    """Run everything; 0 if the recording is complete and every figure is a number, else 1.

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
    _print_paths(console, options.out, recording, report)
    if report.problems:
        tail = (options.out / "node.log").read_text(errors="replace").splitlines()[-15:]
        console.print(
            "\n--- end of the node log ---", *tail, sep="\n", markup=False, soft_wrap=True
        )
    return 1 if report.problems else 0


def make_source(options: DemoOptions, console: Console, *, pinhole: bool = False) -> Source:
    """The bag to play, made if it has to be; of a ``pinhole`` camera, or panoramas."""
    if pinhole and options.image is not None:
        raise DemoError(f"{options.image} has no camera_info: give a bag that holds both")
    if options.bag is not None:
        name = options.bag.resolve().name
        return describe_bag(options.bag, options.topic, name, options.seconds, pinhole=pinhole)
    made = options.out / "input"
    if made.exists():
        shutil.rmtree(made)
    if options.image is not None:
        write_picture_bag(made, options.image, _PICTURE_FRAMES, _PICTURE_RATE_HZ)
        return describe_bag(made, PICTURE_TOPIC, options.image.name, options.seconds)
    walk = replace(options.walk, pinhole=pinhole)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("rendering a world", total=walk.frames)
        kind = write_world_bag(made, walk, lambda _: progress.advance(task))
    description = f"a synthetic {kind}, seed {walk.seed}"
    return describe_bag(made, None, description, options.seconds, pinhole=pinhole)


def _print_paths(console: Console, out: Path, recording: Path, report: Report) -> None:
    paths = {"recording": recording, "node log": out / "node.log"}
    if report.is_drawable:
        paths = {"board": out / "board.png", "cloud": out / "cloud.ply", **paths}
    console.print()
    for name, path in paths.items():
        console.print(f"[dim]{name:<15}[/]{path}", highlight=False, soft_wrap=True)


def draw(source: Source, setup: NodeSetup, recording: Path, report: Report, out: Path) -> None:
    """Write the board (png, and a smaller jpg), pictures/ and cloud.ply for one frame."""
    depth_m = recorded.depth_maps(recording, f"/{IMAGE}")
    if setup.is_panoptic:
        stamp = median_frame(report, shown_stamps(recording))
        subtitle = _subtitle(source, setup, stamp, compared=report.comparison is not None)
        draw_panoptic(source, setup, recording, report, out, subtitle, stamp)
        return
    stamp = median_frame(report, tuple(depth_m))
    truth_m = None
    if source.truth_topic is not None:
        truth_m = recorded.depth_maps(source.bag, source.truth_topic).get(stamp)
    cloud = recorded.cloud_at(recording, f"/{CLOUD}", stamp)
    content = BoardContent(
        title="360° depth in metres from a running ROS 2 node",
        subtitle=_subtitle(source, setup, stamp, compared=truth_m is not None),
        facts=_facts(report),
        image=image_at(source, stamp),
        predicted_m=depth_m[stamp],
        truth_m=truth_m,
        cloud=cloud,
    )
    write_board(out / "board.png", content)
    write_board(out / "board.jpg", content)
    write_pictures(out / "pictures", content)
    write_ply(out / "cloud.ply", cloud.points, cloud.colours)


def _subtitle(source: Source, setup: NodeSetup, stamp_ns: int, *, compared: bool) -> str:
    number, total = source.stamps_ns.index(stamp_ns) + 1, len(source.stamps_ns)
    shown = f"frame {number} of {total}" + (", the one with the median error" if compared else "")
    return f"model {setup.model} · {source.description} · {shown}"


def _facts(report: Report) -> tuple[Fact, ...]:
    traffic, comparison = report.traffic, report.comparison
    facts = [
        Fact(f"{traffic.played} → {traffic.published}", "frames in → out"),
        Fact(str(len(traffic.unanswered)), "frames dropped"),
        Fact(
            f"{traffic.latency_p50_ms:.0f} / {traffic.latency_p99_ms:.0f} ms",
            "latency p50 / p99, image to depth",
        ),
    ]
    if comparison is not None:
        facts = [
            Fact(f"{comparison.abs_rel:.3f}", "AbsRel, no alignment"),
            Fact(f"{comparison.delta1:.1%}", "δ1: within 25 % of the truth"),
            *facts,
        ]
    return tuple(facts)
