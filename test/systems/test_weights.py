"""Fetching weights, without a network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from depth_perception.systems import FetchError, fetch, weights, weights_path

NAME, FILE = "depth-anything-v2-small", "depth_anything_v2_vits.pth"
CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class FakeHub:
    """Stands for the hub client; counts downloads."""

    def __init__(self, sha256: str | None = SHA256, content: bytes = CONTENT) -> None:
        self.sha256, self.content, self.downloads = sha256, content, 0

    def state(self, repo: str, file_name: str) -> str | None:
        assert (repo, file_name) == ("depth-anything/Depth-Anything-V2-Small", FILE)
        return self.sha256

    def download(self, repo: str, file_name: str, folder: Path) -> None:
        self.downloads += 1
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file_name).write_bytes(self.content)


def _use(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> FakeHub:
    monkeypatch.setattr(weights, "_stated_sha256", hub.state)
    monkeypatch.setattr(weights, "_download", hub.download)
    return hub


def _go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(weights, "_stated_sha256", refuse)
    monkeypatch.setattr(weights, "_download", refuse)


def test_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEPTH_PERCEPTION_HOME", str(tmp_path))
    assert weights_path(NAME) == tmp_path / FILE
    monkeypatch.delenv("DEPTH_PERCEPTION_HOME")
    assert weights_path(NAME) == Path.home() / ".cache" / "depth_perception" / FILE
    assert weights_path("panda-tiny-metric").parent.name == "assets"


def test_fetched_file_is_checked_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = _use(monkeypatch, FakeHub())
    assert fetch(NAME, tmp_path / "new").read_bytes() == CONTENT
    fetch(NAME, tmp_path / "new")
    assert hub.downloads == 1


def test_damaged_file_is_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = _use(monkeypatch, FakeHub())
    (tmp_path / FILE).write_bytes(b"half")
    assert fetch(NAME, tmp_path).read_bytes() == CONTENT
    assert hub.downloads == 1


def test_wrong_checksum_removes_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _use(monkeypatch, FakeHub(content=b"something else"))
    with pytest.raises(FetchError, match=SHA256):
        fetch(NAME, tmp_path)
    assert not (tmp_path / FILE).exists()


def test_offline_says_what_to_put_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _go_offline(monkeypatch)
    with pytest.raises(FetchError) as caught:
        fetch(NAME, tmp_path)
    message = str(caught.value)
    assert str(tmp_path / FILE) in message
    assert "huggingface.co/depth-anything/Depth-Anything-V2-Small" in message
    assert "Name or service not known" in message


def test_offline_keeps_what_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _go_offline(monkeypatch)
    (tmp_path / FILE).write_bytes(CONTENT)
    assert fetch(NAME, tmp_path) == tmp_path / FILE


def test_models_without_download_say_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"panda_large\.pth.*github\.com") as caught:
        fetch("panda-large", tmp_path)
    assert str(tmp_path / "panda_large.pth") in str(caught.value)
    (tmp_path / "panda_large.pth").write_bytes(CONTENT)
    assert fetch("panda-large", tmp_path) == tmp_path / "panda_large.pth"
    with pytest.raises(FetchError, match="checkpoint of your own"):
        fetch("panda-tiny", tmp_path)


def test_files_of_one_name_at_the_hub_do_not_meet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def download(repo: str, file_name: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / file_name).write_bytes(repo.encode())

    monkeypatch.setattr(weights, "_stated_sha256", lambda *_: None)
    monkeypatch.setattr(weights, "_download", download)
    names = ("moge-2-vitl", "moge-2-vits-normal")
    for name in names:
        assert fetch(name, tmp_path).read_bytes() == f"Ruicheng/{name}".encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "moge_2_vitl.pt",
        "moge_2_vits_normal.pt",
    ]


def test_by_hand_names_the_file_at_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _go_offline(monkeypatch)
    with pytest.raises(FetchError, match=r"moge-2-vitl/resolve/main/model\.pt and save it as") as e:
        fetch("moge-2-vitl", tmp_path)
    assert str(tmp_path / "moge_2_vitl.pt") in str(e.value)
