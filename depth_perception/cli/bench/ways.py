"""``depth-perception bench`` of networks, estimators, messages and the node."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from .gpu import Gpu
from .output import Output, filled, show, show_table

Precision = Literal["float32", "float16", "bfloat16"]
SIZES = {"small": (960, 504), "large": (1920, 1008)}


@dataclass(frozen=True)
class Family:
    """A network of the Depth Anything family.

    Attributes:
        model: name in the catalogue.
        checkpoint: its weights; otherwise those that are there, or random ones.
        random_weights: do not look for weights.
        height: rows of the network's input; otherwise the model's default.
        width: its columns; otherwise twice the rows.
        device: cpu, cuda, ...; otherwise CUDA where there is one.
        precision: of our encoder; the published way is in float32.
        threads: of torch on the CPU; otherwise torch's choice.
        output: where results go besides the terminal.
    """

    model: tyro.conf.Positional[str]
    checkpoint: str | None = None
    random_weights: bool = False
    height: int | None = None
    width: int | None = None
    device: str | None = None
    precision: Precision = "float32"
    threads: int | None = None
    output: Output = field(default_factory=Output)


@dataclass(frozen=True)
class Network(Family):
    """A network of the Depth Anything family: the published way against ours.

    Attributes:
        backends: of ours, each a contender; openvino:bfloat16 is one in another precision.
        repeats: timed runs of each way.
        warm_up: runs before them.
    """

    backends: tuple[str, ...] = ("torch",)
    repeats: int = 5
    warm_up: int = 1

    def run(self, console: Console) -> None:
        _depth(self, "network", 960, console)


@dataclass(frozen=True)
class Estimator(Network):
    """An estimator of the Depth Anything family, picture to depth: the published way against ours.

    Attributes:
        image_height: rows of the picture; twice as many columns.
    """

    image_height: int = 960

    def run(self, console: Console) -> None:
        _depth(self, "estimator", self.image_height, console)


@dataclass(frozen=True)
class Profile(Family):
    """Where the time of a network of the Depth Anything family goes: the published way and ours.

    Attributes:
        picture: draw it here (PNG, SVG, PDF).
    """

    picture: Path | None = None

    def run(self, console: Console) -> None:
        from ...bench.depth import DepthBenchOptions
        from ...bench.report import machine_line
        from ...bench.shares import bench_shares, document, draw, table

        shares = bench_shares(filled(DepthBenchOptions, self))
        show_table(table(shares), console)
        console.print(machine_line(shares.hardware))
        for note in shares.notes:
            console.print(note)
        if self.picture is not None:
            draw(shares, self.picture)
        name = f"profile-{self.model}-{shares.settings['input']}"
        self.output.save(name, shares.hardware, document(shares))


@dataclass(frozen=True)
class Cloud:
    """Messages without a network: pixels in, bytes of depth and cloud out, plain and ours.

    Attributes:
        sizes: small is 1920x960 with 0.5 million points, large 3840x1920 with 2 million.
        by_point: also pack every point by itself, which takes seconds.
        repeats: timed runs of each way.
        warm_up: runs before them.
        threads: of torch; otherwise torch's choice.
        output: where results go besides the terminal.
    """

    sizes: tuple[Literal["small", "large"], ...] = ("small", "large")
    by_point: bool = True
    repeats: int = 5
    warm_up: int = 1
    threads: int | None = None
    output: Output = field(default_factory=Output)

    def run(self, console: Console) -> None:
        from ...bench.ros.cloud import CloudBenchOptions, bench_cloud
        from ...ros.compat.allocator import keep_large_buffers

        keep_large_buffers()  # as the nodes do; both ways profit
        sizes = tuple(SIZES[name] for name in self.sizes)
        options = CloudBenchOptions(sizes, self.repeats, self.warm_up, self.threads, self.by_point)
        show(bench_cloud(options), self.output, console)


@dataclass(frozen=True)
class Node:
    """The whole node without a network, over DDS, against a plain node.

    Attributes:
        size: small is 1920x960 with 0.5 million points, large 3840x1920 with 2 million.
        rate_hz: of the pictures.
        frames: of one round.
        rounds: of each node, by turns.
        tune_dds: with the settings of the launch files: shared memory, allocator, idle threads.
        output: where results go besides the terminal.
    """

    size: Literal["small", "large"] = "small"
    rate_hz: float = 30.0
    frames: int = 150
    rounds: int = 2
    tune_dds: bool = True
    output: Output = field(default_factory=Output)

    def run(self, console: Console) -> None:
        from ...bench.ros.node import NodeBenchOptions, bench_node, document, lines, table

        options = NodeBenchOptions(
            *SIZES[self.size], self.rate_hz, self.frames, self.rounds, self.tune_dds
        )
        report = bench_node(options)
        show_table(table(report), console)
        for line in lines(report):
            console.print(line)
        name = f"node-{2 * options.image_rows}x{options.image_rows}"
        name += "" if self.tune_dds else "-untuned"
        self.output.save(name, report.hardware, document(report), "\n".join(lines(report)) + "\n")


@dataclass(frozen=True)
class Soak:
    """Whether the memory of the node stays flat over many frames.

    Attributes:
        frames: how many; fewer than 8000 also see the node's own statistics fill.
        model: name in the catalogue, or identity for no network.
        image_height: rows of the picture; twice as many columns.
        height: rows of the depth, or of the network's input.
        output: where results go besides the terminal.
    """

    frames: int = 10_000
    model: str = "identity"
    image_height: int = 128
    height: int = 64
    output: Output = field(default_factory=Output)

    def run(self, console: Console) -> None:
        from ...bench.ros.soak import SoakOptions, document, lines, soak

        report = soak(SoakOptions(self.frames, self.image_height, self.height, self.model))
        text = "\n".join(lines(report))
        console.print(text)
        self.output.save(f"soak-{self.model}", report.hardware, document(report), text + "\n")
        if not report.is_flat:
            raise RuntimeError("memory grows")


def _depth(
    way: Network, part: Literal["network", "estimator"], image_height: int, console: Console
) -> None:
    from ...bench.depth import DepthBenchOptions, bench_depth

    options = filled(DepthBenchOptions, way, image_height=image_height)
    show(bench_depth(options, part), way.output, console)


Ways = (
    Annotated[Network, tyro.conf.subcommand("network", prefix_name=False)]
    | Annotated[Estimator, tyro.conf.subcommand("estimator", prefix_name=False)]
    | Annotated[Profile, tyro.conf.subcommand("profile", prefix_name=False)]
    | Annotated[Cloud, tyro.conf.subcommand("cloud", prefix_name=False)]
    | Annotated[Node, tyro.conf.subcommand("node", prefix_name=False)]
    | Annotated[Soak, tyro.conf.subcommand("soak", prefix_name=False)]
    | Annotated[Gpu, tyro.conf.subcommand("gpu", prefix_name=False)]
)
