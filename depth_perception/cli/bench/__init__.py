"""``depth-perception bench``: a plain way and ours, side by side."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Annotated, Literal

import tyro
from rich.console import Console

from .output import Output, chosen_device, filled, show
from .ways import Ways


@dataclass(frozen=True)
class Ppd:
    """Pixel-Perfect Depth: the plain way of the published programs against ours.

    Attributes:
        model: which network.
        random_weights: do not look for weights; without them it is so anyway.
        height: of the network's input, a multiple of 16.
        width: of the network's input, a multiple of 16.
        steps: evaluations of the transformer per image.
        repeats: timed runs of each way.
        warm_up: runs before them.
        device: cpu, cuda, ...; otherwise CUDA where there is one.
        precision: of the matrix products.
        threads: of torch on the CPU; otherwise torch's choice.
        seed: of picture, noise and random weights.
        output: where results go besides the terminal.
    """

    model: Literal["ppd-tiny", "ppd-large", "ppd-large-moge"] = "ppd-tiny"
    random_weights: bool = False
    height: int = 192
    width: int = 256
    steps: int = 4
    repeats: int = 5
    warm_up: int = 1
    device: str | None = None
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    threads: int | None = None
    seed: int = 0
    output: Output = field(default_factory=Output)

    def run(self, console: Console) -> None:
        from ...bench.ppd import PpdBenchOptions, bench_ppd

        show(bench_ppd(filled(PpdBenchOptions, self)), self.output, console)


@dataclass(frozen=True)
class Panoptic:
    """PanopticDepth: from kernels of segments to maps, the plain way of the authors against ours.

    Attributes:
        segments: things that are proposed, 200 at most.
        height: of picture and maps, a multiple of 32.
        width: of picture and maps, a multiple of 32.
        whole: also the peak memory of a whole frame by this model, with random weights.
        repeats: timed runs of each way.
        warm_up: runs before them.
        device: cpu, cuda, ...; otherwise CUDA where there is one.
        precision: of the products with kernels, and of the network.
        threads: of torch on the CPU; otherwise torch's choice.
        seed: of the scene.
        output: where results go besides the terminal.
    """

    segments: int = 60
    height: int = 1024
    width: int = 2048
    whole: Literal["panopticdepth-r50", "panopticdepth-tiny"] | None = None
    repeats: int = 3
    warm_up: int = 1
    device: str | None = None
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    threads: int | None = None
    seed: int = 0
    output: Output = field(default_factory=Output)

    def run(self, console: Console) -> None:
        from ...bench.panoptic import PanopticBenchOptions, bench_panoptic

        show(bench_panoptic(filled(PanopticBenchOptions, self)), self.output, console)


@dataclass(frozen=True)
class Machine:
    """The hardware alone: rates of a matrix product and of a copy.

    Attributes:
        device: cpu, cuda, ...; otherwise CUDA where there is one.
        precision: of the matrix product.
        threads: of torch on the CPU; otherwise torch's choice.
    """

    device: str | None = None
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    threads: int | None = None

    def run(self, console: Console) -> None:
        from ...bench.ceiling import measure_ceiling
        from ...bench.hardware import bench_device, hardware, torch_threads
        from ...bench.report import ceiling_line, machine_line

        device = bench_device(chosen_device(self.device))
        with torch_threads(self.threads):
            ceiling = measure_ceiling(device, self.precision)
            console.print(machine_line(hardware(device)))
            console.print(ceiling_line(ceiling))


Action = (
    Annotated[Ppd, tyro.conf.subcommand("ppd", prefix_name=False)]
    | Annotated[Panoptic, tyro.conf.subcommand("panoptic", prefix_name=False)]
    | Annotated[Machine, tyro.conf.subcommand("machine", prefix_name=False)]
    | Ways
)


def main(action: tyro.conf.OmitArgPrefixes[Action]) -> int:
    """Measure time, peak memory and results of a plain way and ours in one run.

    Args:
        action: what to measure.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    try:
        action.run(console)
    except (KeyError, ValueError, OSError, RuntimeError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"depth-perception bench: {text}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(("rclpy", "ament", "depth_perception.msg")) and (
            not (error.name or "").endswith("_msgs")
        ):
            raise
        print(f"depth-perception bench: this bench needs ROS ({error})", file=sys.stderr)
        return 1
    return 0
