"""Options of the benches, which are also those of ``depth-perception bench``.

Importing this loads nothing heavy. ``check`` raises ValueError for values that cannot be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, get_args

import tyro

from ..options import Precision, check_options, documented, flag, option, shared

Size = Literal["small", "large"]
SIZES: dict[str, tuple[int, int]] = {"small": (960, 504), "large": (1920, 1008)}
"""Rows of the panorama and rows of its depth; there are twice as many columns."""
# systems of `bench network` and `estimator`
_WITH_BASELINE = (
    "depth_anything", "panda", "da360", "dap", "da2", "da3", "moge", "eomt", "panolite",
)  # fmt: skip
_SIZE_TEXT = "small is 1920x960 with 0.5 million points, large 3840x1920 with 2 million."
Hidden = tyro.conf.Suppress  # an option of the library, not of the command line


@documented
@dataclass(frozen=True)
class Output:
    """Where results go besides the terminal."""

    json: Path | None = flag(None, "write all numbers to this file.")
    markdown: Path | None = flag(None, "write the table to this file.")
    folder: Path | None = flag(
        None,
        "write all numbers into this folder, in a file named by bench, model, size and hardware, "
        "and by precision and backends if they are not the defaults.",
    )


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A bench whose results may be saved.

    Attributes:
        output: where results go besides the terminal.
    """

    output: Output = field(default_factory=Output)

    def check(self) -> None:
        """Raise ValueError for a value that cannot be."""
        check_options(self)

    def _check_multiples(self, of: int, least: int) -> None:
        for name in ("height", "width"):
            side = getattr(self, name)
            if side < least or side % of:
                raise ValueError(f"{name} must be a multiple of {of}, at least {least}, got {side}")


@documented
@dataclass(frozen=True, kw_only=True)
class Machine(Saved):
    """The hardware alone: rates of a matrix product and of a copy."""

    device: str | None = flag(
        None, "cpu, cuda or cuda:N; by default CUDA where it is available, else the CPU."
    )
    precision: Precision = option(
        "float32",
        "of matrix products. Baselines of the Depth Anything family are in float32.",
        choices=get_args(Precision),
    )
    threads: int | None = flag(
        None, "threads of PyTorch on the CPU; by default PyTorch's choice.", minimum=1
    )


@documented
@dataclass(frozen=True, kw_only=True)
class Repeated(Machine):
    """A bench that compares variants."""

    repeats: int = option(5, "timed runs of each variant.", minimum=1)
    warm_up: int = option(1, "runs of each variant before them.", minimum=1)


@documented
@dataclass(frozen=True, kw_only=True)
class Network(Repeated):
    """The network of a model: the straightforward way, as published programs do it, and ours.

    Attributes:
        model: name in the catalogue.
        image_height: rows of the image of an estimator; panoramas have twice as many columns,
            pinhole images 4/3 as many.
        with_plain: False leaves out the baseline, at sizes for which its memory does not suffice.
        seed: of random weights and of the input.
    """

    model: tyro.conf.Positional[str]
    checkpoint: str | None = flag(
        None, "weights file; by default the downloaded or bundled weights, else random ones."
    )
    random_weights: bool = option(False, "use random weights in any case.")
    height: int | None = flag(
        None, "rows of the network's input; by default those of the model.", minimum=1
    )
    width: int | None = flag(
        None, "columns of the network's input; by default those for an image.", minimum=1
    )
    once: bool = option(
        False,
        "one run of each variant gives time, memory and operations together, after a warm-up of "
        "its network on a small input: for networks that take a minute.",
    )
    backends: tuple[str, ...] = option(
        ("torch",), "backends of ours, one variant each; openvino:bfloat16 sets a precision."
    )
    image_height: Hidden[int] = option(
        960,
        "rows of the image; panoramas have twice as many columns, pinhole images 4/3 as many.",
        minimum=1,
    )
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


@documented
@dataclass(frozen=True, kw_only=True)
class Estimator(Network):
    """An estimator, image to prediction: the straightforward way and ours."""

    image_height: int = shared(Network, "image_height")

    def check(self) -> None:
        super().check()
        if self.width is not None:
            raise ValueError("width is for `bench network`: the image of an estimator decides it")


@documented
@dataclass(frozen=True, kw_only=True)
class Profile(Network):
    """Where the time of a network goes: the straightforward way and ours."""

    picture: Path | None = flag(None, "draw the times to this file (PNG, SVG, PDF).")
    backends: Hidden[tuple[str, ...]] = ("torch",)
    repeats: Hidden[int] = 1
    warm_up: Hidden[int] = 1
    once: Hidden[bool] = False

    def check(self) -> None:
        super().check()
        if self.backends != ("torch",):
            raise ValueError("the profiler sees inside of torch only: leave backends out")


@documented
@dataclass(frozen=True, kw_only=True)
class Ppd(Repeated):
    """Pixel-Perfect Depth: the published program against ours.

    Attributes:
        model: name in the catalogue.
    """

    model: Literal["ppd-tiny", "ppd-large", "ppd-large-moge"] = "ppd-tiny"
    random_weights: bool = option(False, "use random weights even if weights were downloaded.")
    height: int = option(192, "rows of the network's input, a multiple of 16.")
    width: int = option(256, "columns of the network's input, a multiple of 16.")
    steps: int = option(4, "evaluations of the transformer per image.")
    seed: int = option(0, "of image, noise and random weights.")

    def check(self) -> None:
        from ..systems.ppd.flow import sampling_times

        super().check()
        self._check_multiples(of=16, least=16)
        sampling_times(self.steps)  # checks the number of steps


@documented
@dataclass(frozen=True, kw_only=True)
class Panoptic(Repeated):
    """PanopticDepth, from kernels of segments to maps: the authors' way against ours."""

    segments: int = option(60, "proposed things, 200 at most; most of them survive.")
    height: int = option(1024, "rows of image and maps, a multiple of 32.")
    width: int = option(2048, "columns of image and maps, a multiple of 32.")
    whole: Literal["panopticdepth-r50", "panopticdepth-tiny"] | None = flag(
        None, "also measure the peak memory of a whole frame of this model, with random weights."
    )
    repeats: int = shared(Repeated, "repeats", default=3)
    seed: int = option(0, "of the synthetic scene.")

    def check(self) -> None:
        from ..systems.panopticdepth.config import PanopticLimits

        super().check()
        if not 0 <= self.segments <= (top := PanopticLimits().top):
            raise ValueError(f"segments must lie in 0..{top}, got {self.segments}")
        self._check_multiples(of=32, least=64)


@documented
@dataclass(frozen=True, kw_only=True)
class Cloud(Repeated):
    """Messages without a network, image in, depth and cloud out: plain conversion against ours."""

    sizes: tuple[Size, ...] = option(("small", "large"), _SIZE_TEXT)
    by_point: bool = option(True, "also pack the cloud point by point, which takes seconds.")
    device: Hidden[str] = "cpu"
    precision: Hidden[Precision] = "float32"


@documented
@dataclass(frozen=True, kw_only=True)
class Node(Saved):
    """The whole node without a network, over DDS, against a plain node."""

    size: Size = option("small", _SIZE_TEXT)
    rate_hz: float = option(30.0, "rate of the images.")
    frames: int = option(150, "images of one round.", minimum=1)
    rounds: int = option(2, "rounds of each node, in alternation.", minimum=1)
    tune_dds: bool = option(
        True, "use the settings of the launch files: shared memory, allocator, idle threads."
    )

    def check(self) -> None:
        super().check()
        if not self.rate_hz > 0:
            raise ValueError(f"rate_hz must be positive, got {self.rate_hz}")


@documented
@dataclass(frozen=True, kw_only=True)
class Soak(Saved):
    """Whether memory stays constant over many frames, and every image is accounted for."""

    SAMPLES: ClassVar[int] = 40

    rate_hz: float = option(
        0.0, "rate of the images; 0 sends each when the outputs of the one before have come."
    )
    seconds: float = option(0.0, "time to send at that rate; it replaces frames.")
    frames: int = option(
        10_000,
        "number of frames; with fewer than 8000 the node's statistics still grow.",
        minimum=2 * SAMPLES,
    )
    model: str = option("identity", "name in the catalogue, or identity for no network.")
    image_height: int = option(128, "rows of the image; it has twice as many columns.")
    height: int = option(64, "rows of the depth, or of the network's input (0: the default).")

    @property
    def count(self) -> int:
        """Number of images to send."""
        return round(self.seconds * self.rate_hz) if self.seconds else self.frames

    def check(self) -> None:
        super().check()
        if not (0 <= self.rate_hz < math.inf and 0 <= self.seconds < math.inf):
            raise ValueError(
                f"rate_hz and seconds must be finite and not negative, got {self.rate_hz} and "
                f"{self.seconds}"
            )
        if self.seconds and not self.rate_hz:
            raise ValueError("seconds need a rate_hz: set it, or say how many frames")
        if self.count < 2 * self.SAMPLES:
            raise ValueError(
                f"{self.seconds:g} s at {self.rate_hz:g} Hz are {self.count} images: at least "
                f"{2 * self.SAMPLES} are needed"
            )


@documented
@dataclass(frozen=True, kw_only=True)
class Gpu(Saved):
    """Everything that is asked of a GPU in one run: speed, memory, overhead, half precision."""

    device: str = option("cuda", "which GPU.")
    plan: bool = option(False, "only print what would be run.")
    tiny: bool = option(
        False, "small models on the CPU, to try the script; the figures mean nothing."
    )
    repeats: int = option(10, "timed runs of each variant.")
