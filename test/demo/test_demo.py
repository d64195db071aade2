"""The demonstration as a user runs it: own processes, real DDS."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from box_world import BEGIN_NS, HEIGHT, STEP_NS, WIDTH, box_seen_from_inside, write_box_bag

from depth_perception.cli.main import main
from depth_perception.demo import recording as recorded
from depth_perception.io.images import read_image, write_image
from depth_perception.io.ply import read_ply

pytestmark = pytest.mark.live

TOPICS = {"/depth/image", "/depth/points", "/depth/camera_info", "/depth/scale", "/diagnostics"}


def figure(text: str, name: str) -> float:
    """The number that is printed behind a name."""
    found = re.search(rf"^{re.escape(name)} +([\d.]+)", text, re.MULTILINE)
    assert found is not None, f"{name} is not printed in:\n{text}"
    return float(found[1])


def test_bag_with_ground_truth(
    tmp_path: Path, random_weights: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bag, out = tmp_path / "bag", tmp_path / "out"
    write_box_bag(bag, frames=6)

    code = main(
        ["demo", "--bag", str(bag), "--checkpoint", str(random_weights), "--input-height", "56",
         "--device", "cpu", "--out", str(out)]
    )  # fmt: skip

    printed = capfd.readouterr().out
    assert code == 0, printed
    counts = {topic.name: topic.count for topic in recorded.topics(out / "recording")}
    assert counts.keys() >= TOPICS
    published = counts["/depth/image"]
    assert 1 <= published <= 6
    assert figure(printed, "frames in") == 6
    assert figure(printed, "frames out") == published
    assert figure(printed, "frames dropped") == 6 - published
    assert 0 < figure(printed, "latency p50") <= figure(printed, "latency p99")
    stamps = set(recorded.stamps(out / "recording", "/depth/image"))
    assert stamps <= {BEGIN_NS + k * STEP_NS for k in range(6)}
    _, truth = box_seen_from_inside()
    depth_m = next(iter(recorded.depth_maps(out / "recording", "/depth/image").values()))
    assert figure(printed, "AbsRel") == pytest.approx(
        np.mean(np.abs(depth_m - truth) / truth), abs=2e-3
    )
    assert read_image(out / "board.png").shape[1] == 1600
    points, colours = read_ply(out / "cloud.ply")
    assert len(points) > HEIGHT * WIDTH / 2
    assert colours.std() > 10
    assert len(list((out / "pictures").glob("*.png"))) == 6


def test_picture_of_the_user(
    tmp_path: Path, random_weights: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "panorama.jpg", box_seen_from_inside()[0])

    code = main(
        ["demo", "--image", str(tmp_path / "panorama.jpg"), "--checkpoint", str(random_weights),
         "--input-height", "56", "--device", "cpu", "--out", str(tmp_path / "out")]
    )  # fmt: skip

    printed = capfd.readouterr().out
    assert code == 0, printed
    assert figure(printed, "frames out") >= 1
    assert "AbsRel" not in printed
    assert read_image(tmp_path / "out" / "board.png").shape[1] == 1600
    assert sorted(p.stem for p in (tmp_path / "out" / "pictures").iterdir()) == [
        "cloud_above", "cloud_side", "depth", "input",
    ]  # fmt: skip


def test_node_that_cannot_start(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_box_bag(tmp_path / "bag", frames=2)
    (tmp_path / "weights.pth").write_bytes(b"these are no weights")

    code = main(
        ["demo", "--bag", str(tmp_path / "bag"), "--checkpoint", str(tmp_path / "weights.pth"),
         "--device", "cpu", "--out", str(tmp_path / "out")]
    )  # fmt: skip

    shown = capfd.readouterr().err
    assert code == 1
    assert "the node reports an error" in shown
    assert "weights.pth" in (tmp_path / "out" / "node.log").read_text()
    assert "weights.pth" in shown.replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--image", "square.png"], "360° x 180°"),
        (["--image", "missing.png"], "missing.png"),
        (["--bag", "missing"], "is not a bag"),
        (["--bag", "bag", "--topic", "/nothing"], "no image topic '/nothing'"),
        (["--model", "panda-small"], "is not metric"),
        (["--model", "unheard-of"], "no model 'unheard-of'"),
    ],
)
def test_what_cannot_be_played_is_told_at_once(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "square.png", np.zeros((40, 40, 3), np.uint8))
    write_box_bag(tmp_path / "bag", frames=1)

    code = main(["demo", *arguments])

    assert code == 1
    assert reason in capfd.readouterr().err
    assert not (tmp_path / "out" / "demo" / "node.log").exists()


def test_image_and_bag_exclude_each_other(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--image", "a.png", "--bag", "b"]) == 2
    assert "exclude each other" in capfd.readouterr().err
