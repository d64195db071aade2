"""Message bytes in, message bytes out, without a network: the plain way against ours."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import torch
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from torch import Tensor

from ...ros.messages.buffers import PayloadBuffer
from ...ros.messages.clouds import CloudPacker
from ...ros.messages.images import depth_message, read_rgb
from ...ros.outputs.depth import Frame, cloud_message
from ...ros.parameters.common import CloudSettings
from ..ceiling import measure_ceiling
from ..hardware import hardware, load_note, torch_threads
from ..identity import IdentityEstimator, bench_picture
from ..measure import Contender, Difference, check_counts, differences, measure, memory_means
from ..plain_messages import plain_cloud, plain_depth, plain_pixels
from ..report import Report, Stage

SIZES = ((960, 504), (1920, 1008))  # rows of the panorama, rows of its depth
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class CloudBenchOptions:
    """What is measured.

    Attributes:
        sizes: rows of the panorama and rows of its depth; columns are twice as many.
        repeats, warm_up: timed runs of each way, and runs before them.
        threads: of torch; None takes torch's choice.
        by_point: also pack point by point, which takes seconds.
    """

    sizes: tuple[tuple[int, int], ...] = SIZES
    repeats: int = 5
    warm_up: int = 1
    threads: int | None = None
    by_point: bool = True

    def __post_init__(self) -> None:
        check_counts(self.repeats, self.warm_up)
        for size in self.sizes:
            if min(size) < 2:
                raise ValueError(f"sizes must be at least 2 rows each, got {size}")


def bench_cloud(options: CloudBenchOptions) -> Report:
    """Run both ways by turns and say how far their messages are apart."""
    busy = load_note()
    with torch_threads(options.threads), torch.inference_mode():
        ceiling = measure_ceiling(_CPU)
        stages = tuple(stage for rows in options.sizes for stage in _Scene(*rows).stages(options))
        return Report(
            bench="cloud",
            hardware=hardware(_CPU),
            ceiling=ceiling,
            memory=memory_means(_CPU, python_memory=True),
            settings={"repeats": options.repeats, "cloud": "dense, coloured, without edges"},
            stages=stages,
            notes=(
                *busy,
                "plain: pixels by two conversions of colour, rays made anew, structured records; "
                "by point: the same with struct.pack for every point",
                "colours are bilinear between four pixels, ours after halving a picture that is "
                "twice as fine or more: there they differ where it is not smooth",
                "amount: bytes of the messages in and out, read or written once",
            ),
        )


class _Scene:
    """One message and its depth, and both ways to work on them."""

    def __init__(self, image_rows: int, depth_rows: int) -> None:
        self.rows = (image_rows, depth_rows)
        pixels = bench_picture(image_rows, 2 * image_rows)
        self.message = Image(
            height=image_rows,
            width=2 * image_rows,
            encoding="rgb8",
            step=6 * image_rows,
            data=array("B", pixels.tobytes()),
        )
        self.prediction = IdentityEstimator(depth_rows)(torch.from_numpy(pixels))
        self.settings = CloudSettings()
        self.packer, self.buffer = CloudPacker(), PayloadBuffer()

    def stages(self, options: CloudBenchOptions) -> tuple[Stage, ...]:
        """Every step, and all of them."""
        pixels = plain_pixels(self.message.height, self.message.width, self.message.data)
        image = read_rgb(self.message)
        size_in = len(self.message.data)
        size_depth = 4 * self.prediction.values.numel()
        size_cloud = len(self.our_cloud(image))
        whole = size_in + size_depth + size_cloud
        name = f"{self.message.width}x{self.message.height}, {size_cloud / 16e6:.1f} M points: "
        works = (
            ("image", size_in, ("level",), lambda: self.plain_image(), lambda: self.our_image()),
            ("depth", 2 * size_depth, ("m",), lambda: (_floats(self.plain_depth()),),
             lambda: (_floats(self.our_depth()),)),
            ("cloud", size_in + size_depth + size_cloud, _CLOUD,
             lambda: _fields(self.plain_cloud(pixels)), lambda: _fields(self.our_cloud(image))),
            ("all", whole, ("m", *_CLOUD),
             lambda: self.plain_whole(by_point=False), self.our_whole),
        )  # fmt: skip
        found = []
        for work, moved, names, plain, ours in works:
            contenders = [Contender("plain", plain), Contender("ours", ours)]
            if work == "all" and options.by_point:
                contenders.insert(1, Contender("by point", lambda: self.plain_whole(by_point=True)))
            measured = measure(
                contenders,
                _CPU,
                repeats=options.repeats,
                warm_up=options.warm_up,
                python_memory=True,
            )
            apart = _apart(names, plain(), ours())
            found.append(Stage(name + work, measured, (0,) * len(measured), apart, moved))
        return tuple(found)

    def plain_image(self) -> tuple[Tensor, ...]:
        message = self.message
        return (torch.from_numpy(plain_pixels(message.height, message.width, message.data)),)

    def our_image(self) -> tuple[Tensor, ...]:
        return (read_rgb(self.message),)

    def plain_depth(self) -> array:
        return plain_depth(self.prediction.depth.numpy(), self.prediction.valid.numpy())

    def our_depth(self) -> array:
        prediction = self.prediction
        return depth_message(Header(), prediction.depth, prediction.valid, self.buffer).data

    def plain_cloud(self, pixels, *, by_point: bool = False) -> array:
        prediction, limits = self.prediction, self.settings
        return plain_cloud(
            pixels,
            prediction.depth.numpy(),
            prediction.valid.numpy(),
            limits.edge_threshold,
            (limits.min_range_m, limits.max_range_m),
            by_point=by_point,
        )

    def our_cloud(self, image: Tensor) -> array:
        frame = Frame(Header(), image, self.prediction)
        return cloud_message(self.packer, frame, self.settings).data

    def plain_whole(self, *, by_point: bool) -> tuple[Tensor, ...]:
        pixels = plain_pixels(self.message.height, self.message.width, self.message.data)
        depth = _floats(self.plain_depth())
        return depth, *_fields(self.plain_cloud(pixels, by_point=by_point))

    def our_whole(self) -> tuple[Tensor, ...]:
        image = read_rgb(self.message)
        return _floats(self.our_depth()), *_fields(self.our_cloud(image))


_CLOUD = ("points", "m", "level")


def _apart(
    names: tuple[str, ...], expected: tuple[Tensor, ...], found: tuple[Tensor, ...]
) -> tuple[Difference, ...]:
    """Clouds of unequal size are told apart by their number of points alone."""
    pairs = zip(names, expected, found, strict=True)
    kept = [(n, a.float(), b.float()) for n, a, b in pairs if a.shape == b.shape]
    return differences(*zip(*kept, strict=True))


def _floats(data: array) -> Tensor:
    return torch.frombuffer(data, dtype=torch.float32)


def _fields(data: array) -> tuple[Tensor, Tensor, Tensor]:
    """Number of points, their positions (N, 3), and the levels of their colours (N, 3)."""
    records = _floats(data).view(-1, 4)
    levels = records.view(torch.uint8)[:, 12:15]
    return torch.tensor([len(records)]), records[:, :3], levels
