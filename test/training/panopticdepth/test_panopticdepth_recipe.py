"""A narrow PanopticDepth learns four streets by heart, through its three stages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from depth_perception.cli.main import main
from depth_perception.data.dvps import (
    CityscapesDvps,
    index_path,
    street_sequences,
    write_cityscapes_dvps,
    write_index,
)
from depth_perception.geometry import Pinhole
from depth_perception.systems import Model, catalog
from depth_perception.training.panopticdepth.task import prepare
from depth_perception.training.recipe import load_recipe
from depth_perception.training.run import train

MODEL = "panopticdepth-narrow"
CAMERA = Pinhole(64, 128, fx=166.4, fy=166.4, cx=64.0, cy=32.0)
SEEDS = (0, 1, 4, 12)  # road, sidewalk, houses, trees, lawn, sky, cars and people, large enough
AREA = 20
STAGES = {  # steps, learning rate, what the stage starts from
    "panopticdepth-panoptic": (100, 5e-3, None),
    "panopticdepth-full-scale": (8, 3e-4, "checkpoint"),
    "panopticdepth-depth": (30, 2e-3, "segmentation"),
}


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model in the catalogue that learns within the time of a test."""
    tiny = catalog.model("panopticdepth-tiny")
    config = replace(
        tiny.arguments["config"],
        blocks=(1, 1, 1, 1),
        pyramid=32,
        head=32,
        groups=8,
        layers=2,
    )
    card = replace(tiny.card, name=MODEL, file_name="narrow.safetensors")
    system = catalog.system_of("panopticdepth-tiny")
    models = (*system.models, Model(card, {"config": config}))
    monkeypatch.setattr(type(system), "models", models)


def plan(stage: str, root: Path, start: Path | None) -> list[str]:
    """Overrides of a packaged recipe."""
    steps, rate, origin = STAGES[stage]
    depth = stage.endswith("-depth")
    place = json.dumps({"kind": "cityscapes-dvps", "root": str(root), "split": "val"})
    model = {
        "name": MODEL,
        "depth": depth,
        "norm": "batch",
        "frozen_stages": 0,
        "still": True,
        **({} if origin is None else {origin: str(start)}),
    }
    schedule = "{kind: poly, power: 0.9, warmup: 10, warmup_from: 0.1}"
    return [
        f"model={json.dumps(model)}",
        *(f"data.{part}={place}" for part in ("train", "val")),
        "data.augment={flip: 0.0, colour: null}",
        f"optim={{lr: {rate}, betas: [0.9, 0.99], clip: 10.0, schedule: {schedule}}}",
        f"run={{steps: {steps}, batch: 4, val_every: {steps}, val_frames: 4, "
        f"metric: {'dpq' if depth else 'pq'}}}",
        *("losses.positions=1", f"limits.stuff_area_px={AREA}"),
    ]


def test_four_streets_are_learnt_by_heart(narrow: None, tmp_path: Path) -> None:
    root, before = tmp_path / "video_sequence", None
    write_cityscapes_dvps(root, "val", street_sequences(SEEDS, CAMERA, frames=1))
    index_path(root, "val").unlink()
    assert write_index(root, "val") == len(SEEDS)  # the converter finds what was written
    assert len(CityscapesDvps(root, "val")) == len(SEEDS)
    numbers: dict[str, float] = {}
    for stage in STAGES:
        prepared = prepare(load_recipe(stage, plan(stage, root, before)))
        train(prepared.training, prepared.data, tmp_path / stage, device="cpu")
        before = tmp_path / stage / "last.safetensors"
        numbers = json.loads((tmp_path / stage / "history.jsonl").read_text().splitlines()[-1])
    assert numbers["val/pq"] > 50
    assert numbers["val/dpq"] > 20
    assert numbers["val/abs_rel"] < 0.5
    report = tmp_path / "e.json"
    args = ["eval", MODEL, "cityscapes-dvps", root, "--checkpoint", before, "--device", "cpu"]
    assert main([str(a) for a in (*args, "--stuff-area", AREA, "--json", report)]) == 0
    (found,) = json.loads(report.read_text())["evaluations"]
    assert found["occurring"]["pq"]["all"] == pytest.approx(numbers["val/pq"], rel=1e-3)
    assert found["occurring"]["dpq"]["all"] == pytest.approx(numbers["val/dpq"], rel=1e-3)
    assert found["all"]["dpq"]["all"] == pytest.approx(numbers["val/dpq_all"], rel=1e-3)
    assert found["depth"]["abs_rel"] == pytest.approx(numbers["val/abs_rel"], rel=1e-3)
