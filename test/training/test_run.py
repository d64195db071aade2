"""Training runs: the loss falls, and an interruption leaves no trace."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import depth_perception as dp
from depth_perception.systems import build_network, save_network
from depth_perception.training.module import move_average
from depth_perception.training.panda.augment import AugmentRecipe
from depth_perception.training.panda.frames import (
    DataRecipe,
    FrameBank,
    RangeData,
    SizePhase,
    make_target,
)
from depth_perception.training.panda.losses import LossRecipe
from depth_perception.training.panda.task import (
    ModelRecipe,
    PandaRecipe,
    RangeTraining,
    RunRecipe,
    trainable_network,
)
from depth_perception.training.recipe import Clock, Cosine, OptimRecipe, load_recipe
from depth_perception.training.run import train
from depth_perception.training.stream import BatchStream
from depth_perception.training.strict_mapping import RecipeError

HEIGHT = 28


@dataclass(frozen=True)
class Item:
    rgb: torch.Tensor
    range_m: torch.Tensor


class BrightIsFar:
    """Frames of stripes whose brightness tells their range."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Item:
        generator = torch.Generator().manual_seed(index)
        stripes = 1 + 8 * torch.rand(1, 2 * HEIGHT // 14, generator=generator)
        range_m = stripes.repeat_interleave(14, 1).expand(HEIGHT, -1).clone()
        rgb = (25 * range_m).to(torch.uint8).expand(3, -1, -1)
        range_m[0] = 0  # no surface
        return Item(rgb, range_m)


@pytest.fixture(scope="module")
def bank() -> FrameBank:
    return FrameBank.read(BrightIsFar())


@pytest.fixture
def recipe() -> PandaRecipe:
    return PandaRecipe(
        name="test",
        model=ModelRecipe("panda-tiny"),
        data=DataRecipe("nowhere", sizes=(SizePhase(0.0, HEIGHT),), max_depth_m=10.0, sky="far"),
        losses=(LossRecipe("log_l1"), LossRecipe("gradient", weight=0.1, both_axes=True)),
        run=RunRecipe(steps=6, batch=4, val_every=3, val_frames=2, save_every=3, log_every=1),
        augment=AugmentRecipe(noise=0.01),
        optim=OptimRecipe(kind="adamw", lr=1e-3, schedule=Cosine(), clip=1.0, ema=0.9),
    )


def run(
    recipe: PandaRecipe,
    bank: FrameBank,
    folder: Path,
    *,
    judged: bool = True,
    network: torch.nn.Module | None = None,
    **options: object,
) -> RangeTraining:
    """Train on the frames and judge by the same."""
    training = RangeTraining(recipe, network or trainable_network(recipe))
    held_out = bank if judged else None
    data = RangeData(bank, recipe.data, recipe.augment, held_out, recipe.run.val_frames)
    train(training, data, folder, device="cpu", **options)
    return training


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_equal(first: torch.nn.Module, second: torch.nn.Module) -> None:
    for (name, a), (other, b) in zip(weights(first).items(), weights(second).items(), strict=True):
        assert name == other
        assert torch.equal(a, b), name


@pytest.mark.parametrize(("workers", "precision"), [(1, "32-true"), (2, "bf16-mixed")])
def test_resumed_and_uninterrupted_runs_give_the_same_bits(
    recipe: PandaRecipe, bank: FrameBank, tmp_path: Path, workers: int, precision: str
) -> None:
    recipe = replace(recipe, run=replace(recipe.run, workers=workers, precision=precision))
    whole = run(recipe, bank, tmp_path / "whole")
    run(recipe, bank, tmp_path / "parts", stop_at=3)
    resumed = run(recipe, bank, tmp_path / "parts", resume=True)
    assert whole.global_step == resumed.global_step == 6
    assert_equal(whole, resumed)
    lines = (tmp_path / "parts" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [3, 6]


def test_the_loss_falls_and_the_weights_load(
    recipe: PandaRecipe, bank: FrameBank, tmp_path: Path
) -> None:
    recipe = replace(
        recipe,
        run=replace(recipe.run, steps=40, val_every=10, val_frames=6),
        augment=AugmentRecipe(jitter=0),
        optim=replace(recipe.optim, lr=3e-3, schedule=Cosine(warmup=5)),
    )
    done = run(recipe, bank, tmp_path)
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert history[-1]["val/abs_rel"] < 0.85 * history[0]["val/abs_rel"]
    assert history[-1]["loss"] < 0.85 * history[0]["loss"]
    path = tmp_path / "last.safetensors"
    estimator = dp.load("panda-tiny", path, "cpu", height=HEIGHT, seam="off")
    image = BrightIsFar()[0].rgb.permute(1, 2, 0).contiguous()
    values = estimator(image).values
    with torch.no_grad():
        pixels = image.permute(2, 0, 1)[None].float() / 255
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        expected = done.eval_network((pixels - mean) / std)[0, 0] / recipe.data.max_depth_m
    torch.testing.assert_close(values, expected, atol=1e-3, rtol=1e-3)


def test_panda_starts_as_the_depth_anything_it_is_made_from(
    recipe: PandaRecipe, tmp_path: Path
) -> None:
    name = "depth-anything-v2-metric-indoor-small"
    origin = build_network(name).eval()
    save_network(origin, tmp_path / "start.safetensors")
    model = ModelRecipe("panda-small", str(tmp_path / "start.safetensors"), "lora", start=name)
    data = replace(recipe.data, target="quantiles")
    network = trainable_network(replace(recipe, model=model, data=data))
    images = torch.randn(1, 3, HEIGHT, 2 * HEIGHT, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network(images), origin(images) / 20)
    trained = {n for n, p in network.named_parameters() if p.requires_grad}
    assert all("linear_" in n or n.startswith("head.") for n in trained)


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        ({"name": "panda-smal"}, {}, "model.name: no model 'panda-smal'"),
        ({"start": "nothing"}, {}, "model.start: no model 'nothing'"),
        ({"name": "depth-anything-v2-small"}, {}, "cannot be trained, only PanDA can"),
        ({"train": "lora"}, {}, "so it requires model.checkpoint"),
        ({"name": "panda-tiny-metric"}, {}, "max_depth_m 20, not metric and 10"),
        ({"name": "panda-matterport-small"}, {"target": "quantiles"}, "needs target metric"),
    ],
)
def test_recipes_whose_weights_would_mislead_are_refused(
    recipe: PandaRecipe, model: dict, data: dict, message: str
) -> None:
    changed = replace(
        recipe, model=replace(recipe.model, **model), data=replace(recipe.data, **data)
    )
    with pytest.raises(RecipeError, match=message):
        trainable_network(changed)


def test_a_start_of_another_size_is_refused(recipe: PandaRecipe, tmp_path: Path) -> None:
    name = "depth-anything-v2-metric-indoor-small"
    save_network(build_network(name), tmp_path / "start.safetensors")
    model = ModelRecipe("panda-tiny", str(tmp_path / "start.safetensors"), start=name)
    with pytest.raises(RecipeError, match=f"model.start: {name} lacks the layers of panda-tiny"):
        trainable_network(replace(recipe, model=model))


def test_lora_moves_the_branches_and_the_head_only(
    recipe: PandaRecipe, bank: FrameBank, tmp_path: Path
) -> None:
    start = tmp_path / "start.safetensors"
    save_network(build_network("panda-tiny"), start)
    recipe = replace(
        recipe,
        model=replace(recipe.model, train="lora", checkpoint=str(start)),
        run=replace(recipe.run, steps=2),
        optim=OptimRecipe(kind="adam"),
    )
    network = trainable_network(recipe)
    before = weights(network)
    after = weights(run(recipe, bank, tmp_path, judged=False, network=network).network)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("linear_b_q" in name for name in moved)
    assert any(name.startswith("head.") for name in moved)
    frozen = [n for n in moved if n.startswith("encoder.") and "linear_" not in n]
    assert frozen == []


def test_an_unknown_number_cannot_choose_the_best(recipe: PandaRecipe) -> None:
    recipe = replace(recipe, run=replace(recipe.run, metric="absrel"))
    with pytest.raises(RecipeError, match="no metric 'absrel'; did you mean 'abs_rel'"):
        RangeTraining(recipe, trainable_network(recipe))


def test_the_best_of_a_number_that_shall_be_high(
    recipe: PandaRecipe, bank: FrameBank, tmp_path: Path
) -> None:
    recipe = replace(recipe, run=replace(recipe.run, metric="a1", val_every=1))
    run(recipe, bank, tmp_path)
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    best = max(history, key=lambda line: line["val/a1"])
    with safe_open(tmp_path / "best.safetensors", "pt") as file:
        assert file.metadata()["steps"] == str(best["step"])


def test_a_run_that_goes_on_knows_the_best_of_before(
    recipe: PandaRecipe, bank: FrameBank, tmp_path: Path
) -> None:
    run(recipe, bank, tmp_path, stop_at=3)
    history = tmp_path / "history.jsonl"
    row = json.loads(history.read_text())
    # as if the validation of step 3 came after the checkpoint, whose own number is worse
    history.write_text(json.dumps(row | {"val/abs_rel": 1e-9}) + "\n")
    run(recipe, bank, tmp_path, resume=True)
    with safe_open(tmp_path / "best.safetensors", "pt") as file:
        assert file.metadata()["steps"] == "3"


def test_a_number_that_is_none_is_never_the_best(
    recipe: PandaRecipe, bank: FrameBank, tmp_path: Path
) -> None:
    run(recipe, bank, tmp_path, stop_at=3)
    history = tmp_path / "history.jsonl"
    row = json.loads(history.read_text())
    history.write_text(json.dumps(row | {"val/abs_rel": float("nan")}) + "\n")
    state = torch.load(tmp_path / "last.ckpt", weights_only=False)
    (name,) = [key for key in state["callbacks"] if key.startswith("Snapshots")]
    state["callbacks"][name]["best"] = float("nan")
    torch.save(state, tmp_path / "last.ckpt")
    run(recipe, bank, tmp_path, resume=True)
    with safe_open(tmp_path / "best.safetensors", "pt") as file:
        assert file.metadata()["steps"] == "6"


def test_the_teacher_trains_in_small(recipe: PandaRecipe, bank: FrameBank, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    save_network(build_network("panda-tiny"), start)
    model = f"model={{name: panda-tiny, train: lora, checkpoint: {start}}}"
    overrides = ["data.root=nowhere", "data.sizes=[{start: 0, height: 98}]", model]
    teacher = load_recipe("panda-teacher", overrides)
    teacher = replace(
        teacher, run=replace(recipe.run, steps=2, val_every=2, metric="rms", align=True)
    )
    run(teacher, bank, tmp_path)
    last = json.loads((tmp_path / "history.jsonl").read_text().splitlines()[-1])
    assert {"loss/silog", "loss/gradient", "loss/epnl", "val/rms"} <= set(last)


def test_without_a_checkpoint_there_is_nothing_to_resume(
    recipe: PandaRecipe, bank: FrameBank, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        run(recipe, bank, tmp_path, resume=True)


def test_a_loss_that_is_not_finite_ends_the_run(
    recipe: PandaRecipe, bank: FrameBank, tmp_path: Path
) -> None:
    network = trainable_network(recipe)
    with torch.no_grad():
        network.head.out[2].bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="not finite"):
        run(recipe, bank, tmp_path, network=network)


def test_a_time_limit_ends_the_run(recipe: PandaRecipe, bank: FrameBank, tmp_path: Path) -> None:
    recipe = replace(recipe, run=replace(recipe.run, steps=10_000, max_minutes=0.01))
    done = run(recipe, bank, tmp_path, judged=False)
    assert 0 < done.global_step < 10_000
    assert (tmp_path / "last.safetensors").is_file()


def stream(recipe: PandaRecipe, bank: FrameBank, elapsed: float = 0, **place: int) -> BatchStream:
    clock = Clock(steps=100, max_minutes=1)
    clock.elapsed_s = 60 * elapsed
    data = RangeData(bank, recipe.data, recipe.augment)
    return BatchStream(data, recipe.run, clock, **place)


def test_every_epoch_shows_every_frame_once(recipe: PandaRecipe, bank: FrameBank) -> None:
    batches = stream(recipe, bank)
    seen = [item for step in range(3) for item in batches.draw(step).items]
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6))


def test_a_stream_goes_on_where_it_is_told(recipe: PandaRecipe, bank: FrameBank) -> None:
    batches = iter(stream(recipe, bank))
    next(batches)
    second, resumed = next(batches), next(iter(stream(recipe, bank, first_step=1)))
    assert second.step == resumed.step == 1
    assert torch.equal(second.images, resumed.images)
    assert torch.equal(second.target, resumed.target)


def test_processes_share_a_batch(recipe: PandaRecipe, bank: FrameBank) -> None:
    whole = next(iter(stream(recipe, bank)))
    for rank in range(2):
        part = next(iter(stream(recipe, bank, rank=rank, world=2)))
        assert torch.equal(part.images, whole.images[rank::2])
    with pytest.raises(RecipeError, match="4 items do not divide by 3 processes"):
        stream(recipe, bank, world=3)


def test_the_size_follows_the_progress(recipe: PandaRecipe, bank: FrameBank) -> None:
    recipe = replace(
        recipe, data=DataRecipe("nowhere", sizes=(SizePhase(0.0, 14), SizePhase(0.5, 28)))
    )
    early, late = (next(iter(stream(recipe, bank, elapsed))) for elapsed in (0.4, 0.5))
    assert early.images.shape == (4, 3, 14, 28)
    assert late.target.shape == (4, 1, 28, 56)


@pytest.mark.parametrize("split", [{"accumulate": 3}, {"workers": 3}, {"loaders": 2}])
def test_shares_of_any_size_count_by_their_frames(
    recipe: PandaRecipe, bank: FrameBank, tmp_path: Path, split: dict
) -> None:
    recipe = replace(recipe, run=replace(recipe.run, steps=2), losses=(LossRecipe("l2"),))
    whole = run(recipe, bank, tmp_path / "whole", judged=False)
    recipe = replace(recipe, run=replace(recipe.run, **split))
    parts = run(recipe, bank, tmp_path / "parts", judged=False)
    for one, other in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_targets_treat_sky_as_told() -> None:
    range_m = torch.tensor([0.0, 2.0, 30.0]).view(1, 1, 1, 3)
    far, mask = make_target(range_m, DataRecipe("x", sky="far", max_depth_m=20.0))
    assert far.flatten().tolist() == [20, 2, 20]
    assert mask.all()
    _, mask = make_target(range_m, DataRecipe("x", sky="ignore"))
    assert mask.flatten().tolist() == [False, True, True]


def test_quantile_targets_span_one_hundredth_to_one() -> None:
    range_m = torch.linspace(1, 9, 101).view(1, 1, 1, -1)
    target, _ = make_target(range_m, DataRecipe("x", target="quantiles"))
    flat = target.flatten()
    assert flat[50].item() == pytest.approx(0.5)
    assert (flat.min().item(), flat.max().item()) == pytest.approx((0.01, 1.0))
    assert flat[98].item() == pytest.approx(1.0)


def test_the_average_moves_towards_the_weights() -> None:
    average, network = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    expected = 0.75 * average.weight + 0.25 * network.weight
    move_average(average, network, 0.75)
    torch.testing.assert_close(average.weight, expected)
