"""Makes docs/images/stereo_training.jpg: what panoramas of worlds taught the two small networks.

``python docs/figures/stereo_training.py SELF_SUPERVISED SUPERVISED VAL`` takes the folders of two
runs (``depth-perception train blindspot-worlds`` and ``rectnet-worlds``) and of the panoramas that
they were judged by, prints the table of docs/blindspot.md and draws curves and examples.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import torch
from torch import Tensor

from depth_perception.io.colormaps import render_depth
from depth_perception.training.blindspot.validation import range_metrics
from depth_perception.training.module import Training
from depth_perception.training.recipe import load_recipe, task_module

TARGET = Path(__file__).parents[1] / "images" / "stereo_training.jpg"
SHOWN = (3, 12, 20, 31, 47)


@dataclass(frozen=True)
class Run:
    """One training: what it is called, its folder, its network, the same untrained."""

    title: str
    folder: Path
    trained: Training
    untrained: Training
    frames: list

    @classmethod
    def read(cls, title: str, name: str, folder: Path, val: Path) -> Run:
        data = [f"data.root={val}", f"data.val_root={val}", "run.val_frames=1000"]
        task = task_module(load_recipe(name, data).task)
        untrained, found = task.prepare(load_recipe(name, data))
        weights = folder / "last.safetensors"
        trained, _ = task.prepare(load_recipe(name, [*data, f"model.checkpoint={weights}"]))
        if trained.average is not None:  # what is judged is the average: here the same weights
            trained.average.load_state_dict(trained.network.state_dict())
        return cls(title, folder, trained.eval(), untrained.eval(), list(found.held_out))

    def curve(self) -> tuple[list[int], list[float]]:
        lines = (self.folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        return [row["step"] for row in rows], [row["val/abs_rel"] for row in rows]


def mean(training: Training, frames: list) -> dict[str, float]:
    """Numbers of a network over all frames."""
    rows = [row for frame in frames if (row := training.evaluate(frame)) is not None]
    return training.summary(rows)


def ranges(training: Training, frame: object) -> tuple[Tensor, Tensor, Tensor]:
    """Picture (3, H, W), scaled range and true range (H, W) of a frame."""
    if hasattr(frame, "here"):
        disparity = training._disparity(frame)
        found = frame.geometry.range(disparity, frame.baseline_m)
        picture, truth = frame.here, frame.target_m
    else:
        found, picture, truth = training._range(frame), frame.images, frame.range_m
    known = (truth > 0) & (truth <= 10)
    assert range_metrics(found, truth, 10.0) is not None
    return picture[0], (found * truth[known].median() / found[known].median())[0, 0], truth[0, 0]


def draw(runs: list[Run], numbers: dict[str, dict[str, float]]) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(12, 9.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 2.1))
    axis = top.subplots()
    for run in runs:
        axis.plot(*run.curve(), marker=".", label=run.title)
    constant = numbers[runs[0].title]["abs_rel_constant"]
    axis.axhline(constant, color="grey", linestyle="--", label="one range everywhere")
    axis.axhline(0.6 * constant, color="grey", linestyle=":", label="60 % of that")
    axis.set(xlabel="step", ylabel="AbsRel, unseen worlds", ylim=(0, None))
    axis.legend(loc="upper right")
    titles = ["picture", "truth", *(run.title for run in runs), f"{runs[0].title}, untrained"]
    grid = bottom.subplots(len(SHOWN), len(titles))
    for row, index in zip(grid, SHOWN, strict=True):
        maps = [ranges(run.trained, run.frames[index]) for run in runs]
        maps.append(ranges(runs[0].untrained, runs[0].frames[index]))
        picture, _, truth = maps[0]
        shown = [picture.permute(1, 2, 0), coloured(truth), *(coloured(m[1]) for m in maps)]
        for cell, image in zip(row, shown, strict=True):
            cell.imshow(image)
            cell.set_axis_off()
    for cell, title in zip(grid[0], titles, strict=True):
        cell.set_title(title, fontsize=9)
    figure.savefig(TARGET, dpi=90, pil_kwargs={"quality": 85})


def coloured(range_m: Tensor) -> Tensor:
    """(H, W, 3) uint8 for ranges of 0.5 to 10 m, near is red; black where unknown."""
    known = (range_m > 0).numpy()
    picture = render_depth(
        range_m.numpy(), known, limits=(0.5, 10.0), logarithmic=True, unknown=(0, 0, 0)
    )
    return torch.from_numpy(picture)


def main() -> None:
    self_supervised, supervised, val = map(Path, sys.argv[1:])
    runs = [
        Run.read("self-supervised VGG", "blindspot-worlds", self_supervised, val),
        Run.read("supervised RectNet", "rectnet-worlds", supervised, val),
    ]
    numbers: dict[str, dict[str, float]] = {}
    with torch.inference_mode():
        for run in runs:
            numbers[run.title] = mean(run.trained, run.frames)
            numbers[f"{run.title}, untrained"] = mean(run.untrained, run.frames)
        draw(runs, numbers)
    print("| network | AbsRel | of the constant's | AbsRel without scaling | within 1.25 |")
    print("|---|---|---|---|---|")
    for title, row in numbers.items():
        share = row["abs_rel"] / row["abs_rel_constant"]
        print(
            f"| {title} | {row['abs_rel']:.3f} | {share:.0%} | {row['abs_rel_metric']:.3f} | "
            f"{row['a1']:.3f} |"
        )
    print(f"| one range everywhere | {row['abs_rel_constant']:.3f} | 100 % | - | - |")


if __name__ == "__main__":
    main()
