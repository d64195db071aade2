"""Message bytes in, message bytes out: the plain way against ours, and what a network adds."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from std_msgs.msg import Header
from torch import Tensor

from ...geometry import Equirectangular
from ...prediction import ScaleKind
from ...ros.compat.large_messages import keep_large_buffers
from ...ros.messages.buffers import PayloadBuffer, Staging
from ...ros.messages.clouds import CloudPacker
from ...ros.messages.images import depth_message, read_rgb
from ...ros.outputs.cloud import cloud_message
from ...ros.outputs.output import Frame
from ...ros.parameters.outputs import CloudSettings
from ..comparison import Comparison, comparison
from ..depth import Scene
from ..identity import IdentityEstimator, bench_image
from ..measure import Variant, differences
from ..options import SIZES, Cloud, Network
from ..plain_messages import plain_cloud, plain_depth, plain_pixels
from ..result import Difference, Result, Stage
from .session import image_message

Fields = tuple[Tensor, Tensor, Tensor]
_CLOUD = ("points", "m", "level")


def bench_cloud(options: Cloud) -> Result:
    """Compare both ways at every size."""
    keep_large_buffers()  # as the nodes do; both ways profit
    with comparison(options, python_memory=True) as bench:
        works = [_Messages(*SIZES[size]) for size in options.sizes]
        stages = [stage for work in works for stage in work.stages(bench, options.by_point)]
        return bench.result(
            "cloud",
            stages,
            {"repeats": options.repeats, "cloud": "dense, coloured, without edges"},
            "plain: pixels by two conversions of colour, new rays for a frame, structured records; "
            "by point: the same with struct.pack for every point",
            "colours are bilinear between four pixels, ours after halving an image that is "
            "twice as fine or more: there they differ where it is not smooth",
            "amount: bytes of the messages in and out, read or written once",
        )


def bench_overhead(options: Network) -> Result:
    """Compare the network alone with message to messages. Relative depth counts as metres."""
    with comparison(options) as bench:
        scene = Scene(options, bench.device)
        name, estimator = next(iter(scene.estimators.items()))
        message = image_message(scene.image)
        camera, settings = Equirectangular(*scene.image.shape[:2]), CloudSettings()
        packer, buffer, staging = CloudPacker(), PayloadBuffer(), Staging()
        small = estimator.with_options(output_size="network")

        def whole() -> tuple[Tensor, ...]:
            image = staging.upload(read_rgb(message), bench.device)
            prediction = replace(small(image, camera), scale=ScaleKind.METRIC)
            frame = Frame(Header(), image, prediction)
            depth = depth_message(frame.header, prediction.depth, prediction.valid, buffer)
            cloud = cloud_message(packer, frame, settings)
            return tuple(torch.tensor(len(m.data)) for m in (depth, cloud))

        variants = (
            Variant("network", lambda: (estimator._run(scene.inputs, False),), 1),
            Variant("message to messages", whole, 1),
        )
        stage = bench.stage("network, then all", variants)
        settings_shown = {"model": options.model, "weights": scene.weights, "backend": name}
        return bench.result("overhead", [stage], settings_shown)


class _Messages:
    """One message and its depth, and both ways to work on them."""

    def __init__(self, image_rows: int, depth_rows: int) -> None:
        pixels = bench_image(image_rows, 2 * image_rows)
        self.message = image_message(pixels)
        self.prediction = IdentityEstimator(depth_rows)(torch.from_numpy(pixels))
        self.settings = CloudSettings()
        self.packer, self.buffer = CloudPacker(), PayloadBuffer()

    def stages(self, bench: Comparison, by_point: bool) -> Iterator[Stage]:
        """Every step, and all of them; ``by_point`` also packs point by point."""
        pixels, image = self.plain_pixels(), read_rgb(self.message)
        size_in, size_depth = len(self.message.data), 4 * self.prediction.values.numel()
        size_cloud = 16 * int(self.our_cloud(image)[0])
        whole = size_in + size_depth + size_cloud
        name = f"{self.message.width}x{self.message.height}, {size_cloud / 16e6:.1f} M points: "
        works = (
            ("image", size_in, ("level",), lambda: (torch.from_numpy(self.plain_pixels()),),
             lambda: (read_rgb(self.message),)),
            ("depth", 2 * size_depth, ("m",), lambda: (self.plain_depth(),),
             lambda: (self.our_depth(),)),
            ("cloud", whole, _CLOUD,
             lambda: self.plain_cloud(pixels), lambda: self.our_cloud(image)),
            ("all", whole, ("m", *_CLOUD), self.plain_whole, self.our_whole),
        )  # fmt: skip
        for work, moved, names, plain, ours in works:
            variants = [Variant("plain", plain), Variant("ours", ours)]
            if work == "all" and by_point:
                variants.insert(1, Variant("by point", lambda: self.plain_whole(by_point=True)))

            def apart(names=names, plain=plain, ours=ours) -> tuple[Difference, ...]:
                return same_sized_differences(names, plain(), ours())

            yield bench.stage(name + work, variants, apart, moved)

    def plain_pixels(self) -> np.ndarray:
        return plain_pixels(self.message.height, self.message.width, self.message.data)

    def plain_depth(self) -> Tensor:
        return floats_of(plain_depth(self.prediction.depth.numpy(), self.prediction.valid.numpy()))

    def our_depth(self) -> Tensor:
        depth, valid = self.prediction.depth, self.prediction.valid
        return floats_of(depth_message(Header(), depth, valid, self.buffer).data)

    def plain_cloud(self, pixels: np.ndarray, *, by_point: bool = False) -> Fields:
        prediction, cloud = self.prediction, self.settings
        maps = (prediction.depth.numpy(), prediction.valid.numpy())
        limits = (cloud.min_range_m, cloud.max_range_m)
        jump = cloud.edge_threshold
        return fields_of(plain_cloud(pixels, *maps, jump, limits, by_point=by_point))

    def our_cloud(self, image: Tensor) -> Fields:
        frame = Frame(Header(), image, self.prediction)
        return fields_of(cloud_message(self.packer, frame, self.settings).data)

    def plain_whole(self, *, by_point: bool = False) -> tuple[Tensor, ...]:
        pixels = self.plain_pixels()
        return self.plain_depth(), *self.plain_cloud(pixels, by_point=by_point)

    def our_whole(self) -> tuple[Tensor, ...]:
        image = read_rgb(self.message)
        return self.our_depth(), *self.our_cloud(image)


def same_sized_differences(
    names: tuple[str, ...], expected: tuple[Tensor, ...], found: tuple[Tensor, ...]
) -> tuple[Difference, ...]:
    """Differences of results; clouds of unequal size are compared by their number of points."""
    pairs = zip(names, expected, found, strict=True)
    kept = [(n, a.float(), b.float()) for n, a, b in pairs if a.shape == b.shape]
    return differences(*zip(*kept, strict=True))


def floats_of(data: array) -> Tensor:
    """The payload of a message as float32."""
    return torch.frombuffer(data, dtype=torch.float32)


def fields_of(data: array) -> Fields:
    """Number of points, their positions (N, 3), and the levels of their colours (N, 3)."""
    records = floats_of(data).view(-1, 4)
    return torch.tensor([len(records)]), records[:, :3], records.view(torch.uint8)[:, 12:15]
