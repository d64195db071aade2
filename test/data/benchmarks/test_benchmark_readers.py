"""Readers of the benchmarks on small data sets in their published layouts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from data.benchmarks.benchmark_samples import write_sample
from golden.ppd_reference import case

from depth_perception.data.benchmarks import BENCHMARKS, diode, diode_valid, kitti, nyu
from depth_perception.geometry import Pinhole
from depth_perception.io.depth_files import DepthReadError
from depth_perception.io.images import write_image

CAMERA = Pinhole.from_fov(24, 32, 1.2)
STEPS_M = {"nyu": 1e-3, "scannet": 1e-3, "kitti": 1 / 256, "eth3d": 0.0, "diode": 0.0}


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_worlds_come_back_in_metres(name: str, tmp_path: Path) -> None:
    rendered = write_sample(name, tmp_path, CAMERA, kind="street")
    reader = BENCHMARKS[name](tmp_path, None)
    assert len(reader) == len(rendered) == 2
    for frame, truth in zip((reader[0], reader[1]), rendered, strict=True):
        z_m = torch.where(truth.z_m.isfinite(), truth.z_m, 0)
        if name in ("nyu", "scannet"):
            z_m = torch.where(z_m < 65.535, z_m, 0)
        if name == "diode":
            z_m = torch.where(frame.depth_m > 0, z_m, 0)
            assert 0 < (z_m > 0).float().mean() < 1
        assert frame.depth_m.dtype == torch.float32
        assert (frame.depth_m - z_m).abs().max() <= STEPS_M[name] / 2 + 1e-4
        assert (z_m > 0).any()
        assert not Path(frame.name).is_absolute()
        if name != "scannet":  # whose pictures are JPEG
            assert torch.equal(frame.rgb.permute(1, 2, 0), truth.rgb)
        assert (frame.camera is None) == (name != "kitti")
        if name == "kitti":
            assert frame.camera.fx == pytest.approx(CAMERA.fx, abs=1e-3)
            assert frame.camera.cx == 16


def test_diode_mask_matches_the_original(tmp_path: Path) -> None:
    reference = case("data-diode-mask")
    raw = reference["in_depth"]
    raw = torch.where(raw == -1, torch.nan, raw)
    mask = reference["in_mask"]
    valid = diode_valid(raw[..., 0], mask == 1)
    assert torch.equal(valid, reference["out_valid"] > 0)
    write_image(tmp_path / "a.png", np.zeros((*mask.shape, 3), np.uint8))
    np.save(tmp_path / "a_depth.npy", raw.numpy())
    np.save(tmp_path / "a_depth_mask.npy", mask.numpy())
    reference.assert_close(diode(tmp_path)[0].depth_m, "out_depth")
    assert (diode(tmp_path, max_slope_m=None)[0].depth_m > 0).sum() > 2 * valid.sum()
    (tmp_path / "l.txt").write_text("a.png a_depth.npy a_depth_mask.npy\n")
    assert len(diode(tmp_path, tmp_path / "l.txt")) == 1


def test_lines_without_truth_are_left_out(tmp_path: Path) -> None:
    write_sample("kitti", tmp_path, CAMERA, seeds=(3,))
    assert " None " in (tmp_path / "filename_list.txt").read_text()
    assert len(kitti(tmp_path)) == 1
    (tmp_path / "none.txt").write_text("a.png None 700\n")
    with pytest.raises(ValueError, match="no frame with ground truth"):
        kitti(tmp_path, tmp_path / "none.txt")


def test_lists_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        nyu(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no list"):
        nyu(tmp_path)
    (tmp_path / "a.txt").write_text("rgb.png\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 1: expected 'image depth', got 'rgb.png'"):
        nyu(tmp_path)
    (tmp_path / "b.txt").write_text("")
    with pytest.raises(ValueError, match=r"several lists \(a.txt, b.txt\)"):
        nyu(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no list .*c\.txt"):
        nyu(tmp_path, tmp_path / "c.txt")
    (tmp_path / "d.txt").write_text("a.png a_depth.npy\n")
    with pytest.raises(ValueError, match="line 1"):
        diode(tmp_path, tmp_path / "d.txt")
    with pytest.raises(KeyError, match="no benchmark 'sun'"):
        write_sample("sun", tmp_path, CAMERA)


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_damaged_truth_is_refused(name: str, tmp_path: Path) -> None:
    write_sample(name, tmp_path, CAMERA, seeds=(0,))
    reader = BENCHMARKS[name](tmp_path, None)
    path = reader.files[0].depth
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DepthReadError, match=path.name):
        reader[0]
    path.unlink()
    with pytest.raises(DepthReadError, match=path.name):
        reader[0]


def test_depth_of_another_kind_or_size_is_refused(tmp_path: Path) -> None:
    write_sample("nyu", tmp_path, CAMERA, seeds=(0,))
    reader = nyu(tmp_path)
    cv2.imwrite(str(reader.files[0].depth), np.ones((24, 32), np.uint8))
    with pytest.raises(DepthReadError, match="uint8"):
        reader[0]
    cv2.imwrite(str(reader.files[0].depth), np.ones((12, 32), np.uint16))
    with pytest.raises(ValueError, match=r"\(12, 32\) but its image is \(24, 32\)"):
        reader[0]
    write_sample("kitti", tmp_path / "k", CAMERA, seeds=(0,))
    listing = tmp_path / "k" / "filename_list.txt"
    listing.write_text(listing.read_text().replace(f"{CAMERA.fx:.4f}", "wide"))
    with pytest.raises(ValueError, match="'wide' as the focal length"):
        kitti(tmp_path / "k")[0]
