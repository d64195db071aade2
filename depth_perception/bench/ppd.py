"""Pixel-Perfect Depth: the plain way of the published programs against ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ..layers.cpu_products import products_for
from ..systems import build_network, load_network, weights_path
from ..systems.catalog import model
from ..systems.moge.network import Moge
from ..systems.ppd.flow import noise_field, sampling_times
from ..systems.ppd.network import PixelPerfectDepth
from ..systems.ppd.semantics import semantics_of
from ..systems.ppd.transformer import STRIDE
from .comparison import Comparison, comparison
from .measure import Variant, differences, elapsed, frozen, size_bytes
from .options import Ppd
from .plain_ppd import plain_sample, plain_times, plain_velocity
from .result import Result, Stage

Results = tuple[Tensor, ...]

_WHAT_PLAIN_IS = (
    "plain: as published, adaLN vectors, rotations, image and semantic parts made again in every "
    "evaluation; attention is torch's fused one on both sides"
)


def bench_ppd(options: Ppd) -> Result:
    """Compare the plain way and ours.

    Raises:
        ValueError: the device or a number is wrong.
        CheckpointError: weights that are there do not fit.
    """
    with comparison(options) as bench:
        network, moge, weights = _networks(options, bench.device)
        scene = _Scene(bench, options, network, moge)
        stages = list(scene.stages())
        settings = {"model": options.model, "weights": weights}
        settings |= {"input": f"{options.width}x{options.height}"}
        settings |= bench.asked("steps", "precision", "repeats")
        return bench.result("ppd", stages, settings, *scene.notes())


class _Scene:
    """One image, one noise field, and the ways to get its depth."""

    def __init__(
        self, bench: Comparison, options: Ppd, network: PixelPerfectDepth, moge: Moge | None
    ) -> None:
        self.bench, self.options, self.network, self.moge = bench, options, network, moge
        self.device, self.precision = bench.device, bench.dtype
        generator = torch.Generator().manual_seed(options.seed)
        size = (options.height, options.width)
        self.images = torch.rand(1, 3, *size, generator=generator).to(self.device)
        self.noise = noise_field(*size, options.seed).to(self.device)
        self.published = plain_times(options.steps)
        self.counts = (len(self.published), options.steps)
        self.semantics = network.semantics(self.images)

    def stages(self) -> Iterator[Stage]:
        """Parts of the work, and the whole from an image."""
        dit, images, semantics = self.network.dit, self.images, self.semantics
        now = torch.tensor([self.published[0]], device=self.device)
        scene = dit.scene(images - 0.5, semantics)
        plan = self.network.schedule(sampling_times(self.options.steps), self.precision)[0]
        x = torch.cat((self.noise, images - 0.5), 1)
        yield self._stage(
            "one evaluation",
            lambda _times: (plain_velocity(dit, x, semantics, now).float(),),
            lambda: (dit.velocity(self.noise, scene, plan).float(),),
            ("velocity",),
            (1, 1),
        )
        yield self._stage(
            "sampler",
            lambda times: (self._plain_depth(semantics, times),),
            lambda: (self._our_depth(semantics),),
        )
        yield self._stage(
            "image to depth",
            lambda times: (self._plain_depth(self.network.semantics(images), times),),
            lambda: (self._our_depth(None),),
        )
        if (moge := self.moge) is None:
            return
        grid = (self.options.height // STRIDE, self.options.width // STRIDE)

        def plain(times: tuple[int, ...]) -> Results:
            depth = self._plain_depth(self.network.semantics(images), times)
            return depth, moge(images, grid[0] * grid[1]).points[..., 2]

        def ours() -> Results:  # its encoder also gives the semantic tokens
            features, class_token = moge.encoder(images, grid)
            depth = self._our_depth(features.flatten(2).mT.float())
            return depth, moge.decode(features, class_token, images.shape[-2:]).points[..., 2]

        yield self._stage("image to depth + MoGe-2", plain, ours, ("depth", "MoGe-2 z"))

    def _stage(
        self,
        work: str,
        plain: Callable[[tuple[int, ...]], Results],
        ours: Callable[[], Results],
        names: tuple[str, ...] = ("depth",),
        evaluations: tuple[int, int] | None = None,
    ) -> Stage:
        """Measure both; results are compared on a schedule of equal length."""

        def as_estimators_do() -> Results:
            with self._autocast(), products_for(self.network):
                return ours()

        def as_published(times: tuple[int, ...]) -> Results:
            with self._autocast():
                return plain(times)

        counts = evaluations or self.counts
        variants = (
            Variant("plain", lambda: as_published(self.published), counts[0]),
            Variant("ours", as_estimators_do, counts[1]),
        )
        equal_times = self.published[: self.options.steps]
        return self.bench.stage(
            work, variants, lambda: differences(names, as_published(equal_times), variants[1].run())
        )

    def notes(self) -> tuple[str, ...]:
        """What the numbers leave open."""
        dit, options = self.network.dit, self.options
        times = torch.tensor(sampling_times(options.steps), device=self.device)
        with self._autocast():
            once, _ = elapsed(lambda: dit.modulations(times), self.device)
            scene = dit.scene(self.images - 0.5, self.semantics)
            plans = self.network.schedule(sampling_times(options.steps), self.precision)
        kept = [*scene.coarse, *scene.fine, *(part for plan in plans for part in plan)]
        notes = [
            _WHAT_PLAIN_IS,
            f"ours makes the adaLN vectors of {options.steps} steps once for all images, in "
            f"{1e3 * once:.1f} ms; they and the rotations, {size_bytes(kept) / 2**20:.1f} MiB, "
            "stay; neither is in its numbers",
        ]
        if self.counts[0] != self.counts[1]:
            notes.append(
                f"plain makes {self.counts[0]} evaluations for {self.counts[1]} steps, as "
                "published; results are compared without the surplus one"
            )
        held = list(self.network.parameters())
        if self.moge is not None:
            held = list({id(p): p for p in (*held, *self.moge.parameters())}.values())
            notes.append(
                "with MoGe-2, plain runs its encoder twice and would hold its weights twice "
                f"({size_bytes(self.moge.parameters()) / 2**20:.0f} MiB more); both run it on the "
                "grid of the semantic tokens"
            )
        notes.append(f"weights take {size_bytes(held) / 2**20:.0f} MiB besides the working memory")
        return tuple(notes)

    def _plain_depth(self, semantics: Tensor, times: tuple[int, ...]) -> Tensor:
        return plain_sample(self.network.dit, self.images, semantics, self.noise, times)

    def _our_depth(self, semantics: Tensor | None) -> Tensor:
        given = {"semantics": semantics, "precision": self.precision}
        return self.network(self.images, self.noise, self.options.steps, **given)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.precision, self.precision != torch.float32)


def _networks(options: Ppd, device: torch.device) -> tuple[PixelPerfectDepth, Moge | None, str]:
    source = model(options.model).arguments["semantics"]
    present = all(weights_path(name).is_file() for name in (options.model, source))
    if present and not options.random_weights:
        dit, prompting = (load_network(name, device=device) for name in (options.model, source))
        weights = "fetched"
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            dit, prompting = (build_network(name) for name in (options.model, source))
            # Random weights for the layers that start at zero, whose output is constant.
            silent = [block.adaLN_modulation[1] for block in dit.blocks]
            for layer in (*silent, dit.final_layer.adaLN_modulation[1], dit.final_layer.linear):
                nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        weights = "random"
    moge, semantics = prompting if isinstance(prompting, Moge) else None, semantics_of(prompting)
    if moge is not None:
        frozen(moge, device)
    network = frozen(PixelPerfectDepth(dit, semantics), device)
    semantics.backbone.to(getattr(torch, options.precision))
    return network, moge, weights
