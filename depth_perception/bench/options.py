"""Options of the benches, which are also those of ``depth-perception bench``.

Importing this loads nothing heavy. ``check`` raises ValueError for values that cannot be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, get_args

import tyro

from ..options import Precision

Size = Literal["small", "large"]
SIZES: dict[str, tuple[int, int]] = {"small": (960, 504), "large": (1920, 1008)}
"""Rows of the panorama and rows of its depth; there are twice as many columns."""
_WITH_BASELINE = ("depth_anything", "panda")  # systems of `bench network` and `estimator`
Hidden = tyro.conf.Suppress  # an option of the library, not of the command line


@dataclass(frozen=True)
class Output:
    """Where results go besides the terminal.

    Attributes:
        json: write all numbers to this file.
        markdown: write the table to this file.
        folder: write all numbers into this folder, in a file named by bench, model, size and
            hardware, and by precision and backends if they are not the defaults.
    """

    json: Path | None = None
    markdown: Path | None = None
    folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A bench whose results may be saved.

    Attributes:
        output: where results go besides the terminal.
    """

    output: Output = field(default_factory=Output)

    def check(self) -> None:
        """Raise ValueError for a value that cannot be."""

    def _check_positive(self, *names: str) -> None:
        for name in names:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Machine(Saved):
    """The hardware alone: rates of a matrix product and of a copy.

    Attributes:
        device: cpu, cuda or cuda:N; by default CUDA where it is available, else the CPU.
        precision: of matrix products. Baselines of the Depth Anything family are in float32.
        threads: threads of PyTorch on the CPU; by default PyTorch's choice.
    """

    device: str | None = None
    precision: Precision = "float32"
    threads: int | None = None

    def check(self) -> None:
        if self.precision not in get_args(Precision):
            raise ValueError(f"precision must be one of {', '.join(get_args(Precision))}")


@dataclass(frozen=True, kw_only=True)
class Repeated(Machine):
    """A bench that compares variants.

    Attributes:
        repeats: timed runs of each variant.
        warm_up: runs of each variant before them.
    """

    repeats: int = 5
    warm_up: int = 1

    def check(self) -> None:
        super().check()
        for name in ("repeats", "warm_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Network(Repeated):
    """A network of the Depth Anything family: the published program against ours.

    Attributes:
        model: name in the catalogue.
        checkpoint: weights file; by default the downloaded or bundled weights, else random ones.
        random_weights: use random weights in any case.
        height: rows of the network's input; by default those of the model.
        width: columns of the network's input; by default twice the rows.
        backends: backends of ours, one variant each; openvino:bfloat16 sets a precision.
        image_height: rows of the image of an estimator; it has twice as many columns.
        with_plain: False leaves out the baseline, at sizes for which its memory does not suffice.
        seed: of random weights and of the input.
    """

    model: tyro.conf.Positional[str]
    checkpoint: str | None = None
    random_weights: bool = False
    height: int | None = None
    width: int | None = None
    backends: tuple[str, ...] = ("torch",)
    image_height: Hidden[int] = 960
    with_plain: Hidden[bool] = True
    seed: Hidden[int] = 0

    def check(self) -> None:
        from ..systems.catalog import system_of

        super().check()
        system = system_of(self.model)
        if system.name not in _WITH_BASELINE:
            raise ValueError(
                f"model {self.model} is of {system.title}; there is a baseline for "
                f"{', '.join(_WITH_BASELINE)}, and `bench ppd` for Pixel-Perfect Depth"
            )
        if not self.backends:
            raise ValueError("backends must name at least one")
        self._check_positive("image_height")

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the network's input."""
        from ..systems import card

        height = self.height or card(self.model).default_height
        return height, self.width or 2 * height


@dataclass(frozen=True, kw_only=True)
class Estimator(Network):
    """An estimator of the Depth Anything family, image to depth: the published program and ours.

    Attributes:
        image_height: rows of the image; it has twice as many columns.
    """

    image_height: int = 960

    def check(self) -> None:
        super().check()
        if self.width not in (None, 2 * self.size[0]):
            raise ValueError("width is for `bench network`: an estimator takes twice the height")


@dataclass(frozen=True, kw_only=True)
class Profile(Network):
    """Where the time of a network of the Depth Anything family goes: published program and ours.

    Attributes:
        picture: draw the times to this file (PNG, SVG, PDF).
    """

    picture: Path | None = None
    backends: Hidden[tuple[str, ...]] = ("torch",)
    repeats: Hidden[int] = 1
    warm_up: Hidden[int] = 1

    def check(self) -> None:
        super().check()
        if self.backends != ("torch",):
            raise ValueError("the profiler sees inside of torch only: leave backends out")


@dataclass(frozen=True, kw_only=True)
class Ppd(Repeated):
    """Pixel-Perfect Depth: the published program against ours.

    Attributes:
        model: name in the catalogue.
        random_weights: use random weights even if weights were downloaded.
        height: rows of the network's input, a multiple of 16.
        width: columns of the network's input, a multiple of 16.
        steps: evaluations of the transformer per image.
        seed: of image, noise and random weights.
    """

    MULTIPLE: ClassVar[int] = 16

    model: Literal["ppd-tiny", "ppd-large", "ppd-large-moge"] = "ppd-tiny"
    random_weights: bool = False
    height: int = 192
    width: int = 256
    steps: int = 4
    seed: int = 0

    def check(self) -> None:
        from ..systems.ppd.flow import sampling_times

        super().check()
        for name in ("height", "width"):
            side = getattr(self, name)
            if side < self.MULTIPLE or side % self.MULTIPLE:
                raise ValueError(
                    f"{name} must be a positive multiple of {self.MULTIPLE}, got {side}"
                )
        sampling_times(self.steps)  # checks the number of steps


@dataclass(frozen=True, kw_only=True)
class Panoptic(Repeated):
    """PanopticDepth, from kernels of segments to maps: the authors' way against ours.

    Attributes:
        segments: proposed things, 200 at most; most of them survive.
        height: rows of image and maps, a multiple of 32.
        width: columns of image and maps, a multiple of 32.
        whole: also measure the peak memory of a whole frame of this model, with random weights.
        seed: of the synthetic scene.
    """

    MULTIPLE: ClassVar[int] = 32

    segments: int = 60
    height: int = 1024
    width: int = 2048
    whole: Literal["panopticdepth-r50", "panopticdepth-tiny"] | None = None
    repeats: int = 3
    seed: int = 0

    def check(self) -> None:
        from ..systems.panopticdepth.config import PanopticLimits

        super().check()
        if not 0 <= self.segments <= (top := PanopticLimits().top):
            raise ValueError(f"segments must lie in 0..{top}, got {self.segments}")
        least = 2 * self.MULTIPLE
        for name in ("height", "width"):
            side = getattr(self, name)
            if side < least or side % self.MULTIPLE:
                raise ValueError(
                    f"{name} must be a multiple of {self.MULTIPLE}, at least {least}, got {side}"
                )


@dataclass(frozen=True, kw_only=True)
class Cloud(Repeated):
    """Messages without a network, image in, depth and cloud out: plain conversion against ours.

    Attributes:
        sizes: small is 1920x960 with 0.5 million points, large 3840x1920 with 2 million.
        by_point: also pack the cloud point by point, which takes seconds.
    """

    sizes: tuple[Size, ...] = ("small", "large")
    by_point: bool = True
    device: Hidden[str] = "cpu"
    precision: Hidden[Precision] = "float32"


@dataclass(frozen=True, kw_only=True)
class Node(Saved):
    """The whole node without a network, over DDS, against a plain node.

    Attributes:
        size: small is 1920x960 with 0.5 million points, large 3840x1920 with 2 million.
        rate_hz: rate of the images.
        frames: images of one round.
        rounds: rounds of each node, in alternation.
        tune_dds: use the settings of the launch files: shared memory, allocator, idle threads.
    """

    size: Size = "small"
    rate_hz: float = 30.0
    frames: int = 150
    rounds: int = 2
    tune_dds: bool = True

    def check(self) -> None:
        self._check_positive("frames", "rounds", "rate_hz")


@dataclass(frozen=True, kw_only=True)
class Soak(Saved):
    """Whether the memory of the node stays constant over many frames.

    Attributes:
        frames: number of frames; with fewer than 8000 the node's statistics still grow.
        model: name in the catalogue, or identity for no network.
        image_height: rows of the image; it has twice as many columns.
        height: rows of the depth, or of the network's input (0: the model's default).
    """

    SAMPLES: ClassVar[int] = 40

    frames: int = 10_000
    model: str = "identity"
    image_height: int = 128
    height: int = 64

    def check(self) -> None:
        if self.frames < 2 * self.SAMPLES:
            raise ValueError(f"frames must be at least {2 * self.SAMPLES}, got {self.frames}")


@dataclass(frozen=True, kw_only=True)
class Gpu(Saved):
    """Everything that is asked of a GPU in one run: speed, memory, overhead, half precision.

    Attributes:
        device: which GPU.
        plan: only print what would be run.
        tiny: small models on the CPU, to try the script; the figures mean nothing.
        repeats: timed runs of each variant.
    """

    device: str = "cuda"
    plan: bool = False
    tiny: bool = False
    repeats: int = 10
