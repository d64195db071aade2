"""Creates docs/images/ring_padding.jpg: the effect of zero padding at the borders of a panorama.

A network runs on a panorama and on the same panorama rotated by half a turn. Rotated back, both
results should be equal. ``python docs/figures/ring_padding.py [CHECKPOINT]`` plots their difference
with zero padding at the left and right border and with ring padding.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import torch
from torch import Tensor

from depth_perception.data.worlds import make_world, render
from depth_perception.geometry import Equirectangular
from depth_perception.systems import build_network, load_network

MODEL = "blindspot-vgg"
HEIGHT = 256
TARGET = Path(__file__).parents[1] / "images" / "ring_padding.jpg"


def panorama() -> Tensor:
    """A rendered panorama (1, 3, H, W) in [0, 1]."""
    world = make_world("street", seed=3)
    frame = render(world, Equirectangular(HEIGHT, 2 * HEIGHT), world.pose(1.0))
    return frame.rgb.permute(2, 0, 1)[None].float() / 255


def network(checkpoint: str | None) -> torch.nn.Module:
    """The network, with random parameters if there is no checkpoint."""
    if checkpoint is not None:
        return load_network(MODEL, checkpoint)
    torch.manual_seed(0)
    return build_network(MODEL).requires_grad_(False).eval()


def difference(model: torch.nn.Module, images: Tensor, circular: bool) -> Tensor:
    """Relative difference of both runs (H, W), with the seam in the middle."""
    half = images.shape[-1] // 2
    plain = model(images, circular=circular)[0][0, 0].roll(half, -1)
    turned = model(images.roll(half, -1), circular=circular)[0][0, 0]
    return (plain - turned).abs() / plain


def draw(images: Tensor, differences: dict[str, Tensor]) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    half = images.shape[-1] // 2
    figure, axes = pyplot.subplots(4, 1, figsize=(7, 10), layout="constrained", sharex=True)
    axes[0].imshow(images[0].roll(half, -1).permute(1, 2, 0), aspect="auto")
    axes[0].set_title("the rotated panorama: its left and right border meet in the middle")
    limit = 100 * max(float(values.quantile(0.995)) for values in differences.values())
    for axis, (title, values) in zip(axes[1:3], differences.items(), strict=True):
        drawn = axis.imshow(100 * values, cmap="magma", vmin=0, vmax=limit, aspect="auto")
        axis.set_title(f"{title}: difference of both runs, at most {100 * values.max():.2g} %")
        axes[3].plot(100 * values.mean(0), label=title)
    figure.colorbar(drawn, ax=axes, label="% of the disparity", location="bottom", aspect=50)
    for axis in axes[:3]:
        axis.set_xticks([])
        axis.set_yticks([])
    axes[3].set(xlabel="column", ylabel="mean difference, %", xlim=(0, 2 * half - 1))
    axes[3].legend()
    figure.savefig(TARGET, dpi=100, pil_kwargs={"quality": 85})


def main() -> None:
    model = network(sys.argv[1] if len(sys.argv) > 1 else None)
    images = panorama()
    with torch.inference_mode():
        differences = {
            "zero padding": difference(model, images, False),
            "ring padding": difference(model, images, True),
        }
    for title, values in differences.items():
        print(f"{title}: mean {values.mean():.3%}, largest {values.max():.3%}")
    draw(images, differences)


if __name__ == "__main__":
    main()
