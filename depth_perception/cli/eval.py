"""``depth-perception eval``: how far a model is from the truth."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import track

from .eval_benchmark import BenchmarkJob, Judged, judge

_PLAIN_WIDTH = 160  # columns of a table that is piped into a file or another program


def main(
    model: Annotated[str, tyro.conf.Positional],
    dataset: Annotated[
        Literal["worlds", "nyu", "kitti", "eth3d", "scannet", "diode"], tyro.conf.Positional
    ],
    root: Annotated[Path, tyro.conf.Positional],
    *,
    checkpoint: Path | None = None,
    device: str | None = None,
    height: int | None = None,
    max_depth: float | None = None,
    align: Literal["auto", "none", "median", "scale_shift"] = "auto",
    protocol: Literal["auto", "ppd", "plain"] = "auto",
    listing: Annotated[Path | None, tyro.conf.arg(name="list")] = None,
    steps: int | None = None,
    semantics_checkpoint: Path | None = None,
    solid_angle: bool = False,
    baselines: bool = False,
    constant_depth: float | None = None,
    limit: int | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    markdown: Path | None = None,
) -> int:
    """Judge a model on a data set: nine numbers, or those of its paper, mean over the frames.

    `worlds` is for panoramic models; the other data sets are benchmarks of pinhole models with
    their published crops and masks.

    Args:
        model: name of the model (see `depth-perception models`).
        dataset: kind of data set.
        root: its folder.
        checkpoint: weights file; otherwise the embedded or fetched one.
        device: cpu, cuda, ...; otherwise CUDA where there is one.
        height: rows of the network input.
        max_depth: truth farther than this, in metres, does not count; nor does sky. Otherwise
            20 m for worlds, and what is published for a benchmark.
        align: what a prediction may borrow from the truth of its frame. `auto` is nothing for
            metric models and scale and shift for relative ones.
        protocol: for benchmarks. `ppd` fits each prediction to its truth in log(depth + 1) and
            gives the five numbers of Pixel-Perfect Depth; `plain` gives the nine. `auto` is `ppd`
            for that model and `plain` for others.
        listing: for benchmarks, the list of frames; otherwise the only *.txt in the folder.
        steps: of the diffusion model; otherwise its default.
        semantics_checkpoint: weights of the encoder that prompts the diffusion model; otherwise
            the fetched ones.
        solid_angle: weigh pixels by the part of the sphere that they see.
        baselines: also judge one depth for every pixel and the same network untrained.
        constant_depth: that one depth, in metres; otherwise the median of this very data set,
            which flatters the baseline.
        limit: only so many frames, spread evenly.
        json_file: write all numbers here.
        markdown: write the table here.
    """
    from ..data.worlds import WorldFolder
    from ..estimators import load
    from ..evaluation.baselines import constant, median_depth_m, untrained
    from ..evaluation.evaluate import EvaluationProtocol, evaluate, of_estimator
    from ..evaluation.protocols import Alignment, usual_alignment
    from ..evaluation.report import document, table
    from ..evaluation.report import markdown as as_markdown

    console = Console()
    console = console if console.is_terminal else Console(width=_PLAIN_WIDTH)
    try:
        if limit is not None and limit < 1:
            raise ValueError(f"--limit must be at least 1, got {limit}")
        if dataset != "worlds":
            if solid_angle or baselines or constant_depth is not None:
                raise ValueError("--solid-angle and --baselines are for worlds")
            job = BenchmarkJob(
                model, dataset, root, listing, protocol, align, max_depth, checkpoint,
                semantics_checkpoint, steps, device, height, limit,
            )  # fmt: skip
            return _show(judge(job, console), console, json_file, markdown)
        if protocol != "auto" or listing or steps or semantics_checkpoint:
            raise ValueError("--protocol, --list, --steps, --semantics-checkpoint: not for worlds")
        reader = WorldFolder(root)
        estimator = load(model, checkpoint, device, height=height)
        how = Alignment(align) if align != "auto" else usual_alignment(estimator.card)
        max_depth = 20.0 if max_depth is None else max_depth
        rules = EvaluationProtocol(max_depth, how, solid_angle)
        judged = [(model, of_estimator(estimator, how))]
        if baselines:
            depth = constant_depth
            if depth is None:
                depth = median_depth_m(reader, max_depth)
            judged.append((f"constant {depth:.2f} m", constant(depth)))
            random = untrained(model, seed=0, device=estimator.device)
            judged.append((f"{model} untrained", of_estimator(random, how)))
        count = len(reader) if limit is None else min(limit, len(reader))
        indices = [i * len(reader) // count for i in range(count)]
        groups = [str(frame["kind"]) for frame in reader.frames]
        results = []
        for name, estimate in judged:
            frames = track(indices, name, console=console, disable=not console.is_terminal)
            results.append(evaluate(name, estimate, reader, rules, indices=frames, groups=groups))
    except KeyError as error:  # no such model; str() of a KeyError would put quotes around the text
        print(f"depth-perception eval: {error.args[0]}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"depth-perception eval: {error}", file=sys.stderr)
        return 1
    first = results[0]
    judged_all = Judged(
        table(results),
        f"{first.frames} frames, {first.skipped} without truth, {first.pixels} pixels up to "
        f"{max_depth:g} m, alignment: {how.value}, {first.seconds / max(1, first.frames):.3f} s "
        "a frame",
        document(results, rules, str(root)),
        as_markdown(results),
    )
    try:
        return _show(judged_all, console, json_file, markdown)
    except OSError as error:
        print(f"depth-perception eval: {error}", file=sys.stderr)
        return 1


def _show(result: Judged, console: Console, json_file: Path | None, markdown: Path | None) -> int:
    console.print(result.table)
    console.print(result.summary)
    if json_file is not None:
        _write(json_file, json.dumps(result.document, indent=2) + "\n")
    if markdown is not None:
        _write(markdown, result.markdown)
    return 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
