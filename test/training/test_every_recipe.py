"""Every packaged recipe in small, on a data set in the layout that it names.

What a recipe is run with is in :func:`changes`; a new recipe without an entry there fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from golden.ppd_reference import case

from depth_perception.data.panoramas import open_panoramas
from depth_perception.data.tiny import write_tiny
from depth_perception.systems import build_network, save_network
from depth_perception.systems.scaledepth.files import write_class_embeddings
from depth_perception.training.module import Prepared
from depth_perception.training.panda.frames import FrameFiles, by_quantiles, normalise
from depth_perception.training.panda.task import quiet_start
from depth_perception.training.recipe import load_recipe, packaged_recipes, task_module
from depth_perception.training.run import train
from depth_perception.training.stream import Draw, seeded

STEPS = 4
NINE = ("mae", "abs_rel", "sq_rel", "rms", "log_rms", "log10", "a1", "a2", "a3")
TEN = ("d0_5", "d1", "d2", "d3", "abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog")
EIGEN = ("abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3")
RANGES = ("abs_rel", "sq_rel", "rms", "a1", "abs_rel_metric", "abs_rel_constant")
PQ = ("pq", "pq_things", "pq_stuff", "pq_all")
METRICS = {
    "panda": NINE, "scaledepth": TEN, "ppd": ("abs_rel", "d0_5", "d1", "d2", "d3"),
    "blindspot-kitti": EIGEN, "blindspot-kitti-panorama": RANGES, "blindspot-worlds": RANGES,
    "omnidepth": RANGES, "rectnet": RANGES, "panopticdepth": PQ,
    "panopticdepth-tiny": (*PQ, "dpq", "dpq_all"),
    "panolite": (*NINE, "thin", "sky_error"),
    "panolite-panoptic": ("pq", "pq_things", "pq_stuff", "pq_streets", "abs_rel", "a1"),
    "panopticdepth-depth": (*PQ, "dpq", "dpq_all", "abs_rel", "rmse"),
}  # fmt: skip
"""What the papers report, by the longest beginning of the name of a recipe."""

LEAST_FALL = {
    "blindspot-worlds": 0.008, "panda-student": 0.005, "panda-student-small": 0.015,
    "panda-teacher": 0.003, "panda-tiny-student": 0.0012, "ppd-finetune": 0.006,
    "ppd-pretrain": 0.015,
}  # fmt: skip
"""By how much the loss of a fixed batch falls, where it is not by :data:`USUAL_FALL`: about half of
what it was when this was written, for other machines round otherwise."""
USUAL_FALL = 0.02  # the least was 0.039

Tiny = Callable[[str], str]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The root of a tiny data set, written once."""
    roots: dict[str, str] = {}

    def root(name: str) -> str:
        if name not in roots:
            folder = tmp_path_factory.mktemp(name) / "data"
            write_tiny(name, folder)
            roots[name] = str(folder)
        return roots[name]

    return root


@pytest.fixture(scope="module")
def files(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights to start from, text embeddings, a prompting encoder."""
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    save_network(build_network("panda-tiny"), folder / "panda.safetensors")
    save_network(relative(tiny("matterport3d")), folder / "relative.safetensors")
    rows = 0.01 * torch.nn.functional.normalize(torch.randn(28, 96), dim=1)
    write_class_embeddings(folder / "scenes.safetensors", rows, ["x"] * 28, source="test")
    moge = case("moge-tiny-infer")
    content = {"model_config": moge.entry["constructor"], "model": moge.state()}
    torch.save(content, folder / "moge2.pt")
    return folder


def relative(root: str) -> torch.nn.Module:
    """A network that knows a little of relative range, from which metric fine-tuning starts.

    Values that hardly vary make EPNL's gradient large, and as its median has none it drives them
    all one way: from random parameters L1 rises at first.
    """
    torch.manual_seed(0)
    network = build_network("panda-tiny", lora_rank=None).train()
    quiet_start(network, fraction=0.3)
    rgb, range_m = FrameFiles([open_panoramas("matterport3d", root)]).at((0, 1), 98)
    images, target = normalise(rgb), by_quantiles(range_m, range_m > 0)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(20):
        optimizer.zero_grad()
        (network(images) - target).abs().mean().backward()
        optimizer.step()
    return network


def changes(name: str, tiny: Tiny, files: Path) -> dict[str, object]:
    """Values of the recipe that make it small and point it to tiny data sets."""
    system = name.split("-")[0]
    return {
        "panda": of_panda, "ppd": of_ppd, "scaledepth": of_scaledepth, "blindspot": of_stereo,
        "omnidepth": of_stereo, "rectnet": of_stereo, "panopticdepth": of_panoptic,
        "panolite": of_panolite,
    }[system](name, tiny, files)  # fmt: skip


def of_panda(name: str, tiny: Tiny, files: Path) -> dict[str, object]:
    quiet = {"augment": {"yaw": False, "flip": 0, "jitter": 0}, "run.align": False}
    sizes = {"data.sizes": [{"start": 0, "height": 98}]}  # the least for EPNL's rectangles
    if name.startswith("panda-tiny"):
        return quiet | of_panda_tiny(name, tiny, files)
    start = {"name": "panda-tiny", "train": "lora", "checkpoint": str(files / "panda.safetensors")}
    plan = {**quiet, **sizes, "model": start, "optim.lr": 3e-4, "run.align": None}
    if name in ("panda-matterport", "panda-stanford"):
        root = tiny("matterport3d" if name == "panda-matterport" else "stanford2d3d")
        start["checkpoint"] = str(files / "relative.safetensors")
        return plan | {"data.root": root, "data.val_root": root}
    plan["data.also"] = [{"kind": "deep360", "root": tiny("deep360")}]
    plan |= {"data.root": tiny("structured3d"), "data.max_depth_m": 100.0}
    if name == "panda-teacher":
        return plan | {"data.kind": "structured3d", "data.val_root": tiny("structured3d")}
    labels = files / name
    return plan | {
        "data.val_root": tiny("matterport3d"),
        "data.every": 1,
        "teacher": {"name": "panda-tiny", "checkpoint": start["checkpoint"], "height": 56},
        "data.unlabelled": [
            {"kind": kind, "root": tiny(kind), "labels": str(labels / kind)}
            for kind in ("zind", "360x")
        ],
    }


def of_panda_tiny(name: str, tiny: Tiny, files: Path) -> dict[str, object]:
    """The small model on worlds, by itself or in three stages."""
    root, start = tiny("worlds"), str(files / "panda.safetensors")
    plan = {
        "data.root": root,
        "data.val_root": root,
        "data.sizes": [{"start": 0, "height": 28}],
        "run.workers": 1,
        "run.align": None,
        "optim.lr": 9e-4,
    }
    if load_recipe(name).data.target == "metric":
        return plan | {"model": {"name": "panda-tiny-metric"}}
    plan["model"] = {"name": "panda-tiny", "checkpoint": start}
    if load_recipe(name).task == "panda-student":
        plan["teacher"] = {"name": "panda-tiny", "checkpoint": start, "height": 28}
        labels = str(files / name)
        plan["data.unlabelled"] = [{"kind": "worlds", "root": root, "labels": labels}]
    return plan


def of_ppd(name: str, tiny: Tiny, files: Path) -> dict[str, object]:
    hypersim = f"{tiny('hypersim-json')}/hypersim.json"
    sources = [{"kind": "hypersim", "root": hypersim}]
    if name == "ppd-finetune":
        others = ("urbansyn", "unrealstereo4k", "vkitti2", "tartanair")
        sources += [{"kind": kind, "root": tiny(kind)} for kind in others]
    return {
        "model": {"name": "ppd-tiny", "semantics": str(files / "moge2.pt")},
        "data.sources": sources,
        "data.val": {"kind": "hypersim", "root": hypersim, "split": "val"},
        "data.items": 5 if len(sources) > 1 else None,
        "data.height": 48,
        "data.width": 64,
        "optim.lr": 3e-3,
        "run.sampling_steps": 2,
    }


def of_scaledepth(name: str, tiny: Tiny, files: Path) -> dict[str, object]:
    kinds = {"scaledepth-n": ("nyu",), "scaledepth-k": ("kitti",)}.get(name, ("nyu", "kitti"))
    tests = {"nyu": {"split": "test"}, "kitti": {"listing": "kitti_eigen_test.txt"}}
    sets = [{"kind": kind, "root": tiny(f"{kind}-folders")} for kind in kinds]
    return {
        "model": {"name": "scaledepth-tiny", "class_embeddings": str(files / "scenes.safetensors")},
        "data.sets": [{**one, "augment": {"flip": 0, "colour": 0}} for one in sets],
        "data.val_sets": [{**one, **tests[one["kind"]]} for one in sets],
        "data.crop": [64, 96],
        "optim.lr": 1e-3,
        "optim.encoder_lr": 1.0,
        "optim.clip": 1.0,
    }


def of_stereo(name: str, tiny: Tiny, files: Path) -> dict[str, object]:
    kitti = "kitti" in name
    tiny_models = {"blindspot": "blindspot-tiny", "rectnet": "omnidepth-rectnet-tiny"}
    model = "omnidepth-uresnet" if "uresnet" in name else "omnidepth-rectnet-tiny"
    model = tiny_models.get(name.split("-")[0], model)
    turn = {} if kitti else {"turn": False}
    rates = {"omnidepth-uresnet": 5e-5}  # it overshoots
    if name == "blindspot-worlds":  # otherwise steps see pairs side by side and above in turns
        turn["data.seconds"] = ["right"]
    return turn | {
        "model.name": model,
        "data.root": tiny("kitti-raw" if kitti else "3d60"),
        "data.train": None if kitti else "split.txt",
        "data.val": "pairs.txt" if kitti else "split.txt",
        "data.val_root": None,
        "data.height": 32 if model == "omnidepth-rectnet-tiny" else 64,
        "data.width": 64 if model == "omnidepth-rectnet-tiny" else 128,
        "data.keep": True,
        "augment": {"mirror": 0.0, "color": 0.0},
        "optim.lr": rates.get(name, 5e-4),
        "run.workers": 1,
    }


def of_panoptic(name: str, tiny: Tiny, files: Path) -> dict[str, object]:
    layout = load_recipe(name).data.train.kind
    return {
        "model.name": "panopticdepth-tiny",
        "model.imagenet": None,
        "model.checkpoint": None,
        "model.segmentation": None,
        "model.depth": layout != "cityscapes",
        "data.train": {"kind": layout, "root": tiny(layout)},
        "data.val": {"kind": layout, "root": tiny(layout), "split": "val"},
        "data.augment": {"short_sides": [128], "crop": [128, 256]},
        "limits.stuff_area_px": 64,
        "losses.positions": 2,  # the coarsest level of such small pictures has no more
        "optim.lr": 1e-4 if name == "panopticdepth-tiny" else 3e-4,
    }


def of_panolite(name: str, tiny: Tiny, files: Path) -> dict[str, object]:
    off = dict.fromkeys(("tilt_deg", "colour", "blur_px", "noise", "jpeg", "stitch", "cap"), 0)
    if name == "panolite-panoptic":
        torch.manual_seed(0)
        start = files / "panolite.safetensors"
        save_network(build_network("panolite-tiny"), start)
        return {
            "model": {"name": "panolite-panoptic-tiny", "depth": str(start)},
            "data.roots": [tiny("worlds")],
            "data.pinhole_roots": [],
            "data.val_roots": [tiny("worlds")],
            "data.pinhole_val_roots": [],
            "data.sizes": [{"start": 0, "heights": [32]}],
            "augment": off,
            "run.workers": 1,
        }
    return {
        "model": {"name": "panolite-tiny"},
        "data.roots": [tiny("worlds")],
        "data.val_roots": [tiny("worlds")],
        "data.sizes": [{"start": 0, "heights": [32]}],
        "augment": off,
        "run.workers": 1,
    }


def small(name: str, tiny: Tiny, files: Path) -> Prepared:
    run = {
        "steps": STEPS, "batch": 2, "val_every": STEPS, "val_frames": 2, "save_every": STEPS // 2,
        "log_every": 1, "loaders": 0, "precision": "32-true",
    }  # fmt: skip
    plan = {f"run.{key}": value for key, value in run.items()}
    plan |= {"optim.schedule": {"kind": "constant"}, "optim.ema": None}
    plan |= changes(name, tiny, files)
    if plan.get("run.align", 0) is None:
        del plan["run.align"]
    recipe = load_recipe(name, [f"{key}={json.dumps(value)}" for key, value in plan.items()])
    return task_module(recipe.task).prepare(recipe)


def total(training: object, batch: object) -> float:
    """The loss of a fixed batch; the statistics of norms stay as they are."""
    torch.manual_seed(0)
    kept = {name: buffer.clone() for name, buffer in training.named_buffers()}
    with torch.no_grad():
        loss = sum(float(value) for value in training.losses(batch).values())
        for name, buffer in training.named_buffers():
            buffer.copy_(kept[name])
    return loss


@pytest.mark.parametrize("name", packaged_recipes())
def test_a_recipe_learns_resumes_and_prints_the_numbers_of_its_paper(
    name: str, tiny: Tiny, files: Path, tmp_path: Path
) -> None:
    whole, data = small(name, tiny, files)
    batch = data.batch(Draw(0, 0.0, (0, 1), (seeded(1), seeded(2))))
    before = total(whole, batch)
    train(whole, data, tmp_path / "whole", device="cpu")
    after = total(whole, batch)
    for stop in (STEPS // 2, None):
        parts, data = small(name, tiny, files)
        resume = stop is None
        train(parts, data, tmp_path / "parts", device="cpu", resume=resume, stop_at=stop)
    assert whole.global_step == parts.global_step == STEPS
    states = whole.state_dict(), parts.state_dict()
    assert states[0].keys() == states[1].keys()
    different = [key for key in states[0] if not torch.equal(states[0][key], states[1][key])]
    assert different == []
    last = json.loads((tmp_path / "parts" / "history.jsonl").read_text().splitlines()[-1])
    known = max((key for key in METRICS if name.startswith(key)), key=len)
    missing = {f"val/{number}" for number in METRICS[known]} - set(last)
    assert not missing
    with torch.no_grad():
        shown = whole.preview(data.held_out[0])  # what TensorBoard gets
    if shown is not None or not name.startswith("ppd"):  # whose tiny truth may all be sky
        assert shown.shape[0] == 3
        assert 0 <= float(shown.min()) < float(shown.max()) <= 1
    least = LEAST_FALL.get(name, USUAL_FALL)
    assert after < (1 - least) * before, f"{name}: {before} before, {after} after {STEPS} steps"
