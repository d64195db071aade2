"""Kept graphs: damaged ones, and those that others could have written, are made again."""

from __future__ import annotations

import json
import logging
import os
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from backend_needs import needs

from depth_perception.backends import BackendError, GraphForward, graphs_folder, trust
from depth_perception.backends import forward as forward_module
from depth_perception.backends.store import about, filling, private_folder
from depth_perception.backends.trust import untrusted, untrusted_entry
from depth_perception.systems.blindspot.config import BlindSpotConfig
from depth_perception.systems.blindspot.network import BlindSpotVgg

NOBODY = 65534
is_root = hasattr(os, "geteuid") and os.geteuid() == 0
as_root = pytest.mark.skipif(not is_root, reason="only root can give files away")


@pytest.fixture(autouse=True)
def graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DEPTH_PERCEPTION_GRAPHS", str(tmp_path / "graphs"))
    return private_folder()


def make(folder: Path, content: str = "a graph") -> Path:
    with filling(folder, {"layout": ["tensor"], "fidelity": []}) as partial:
        (partial / "graph.xml").write_text(content)
        (partial / "sub").mkdir()
        (partial / "sub" / "graph.bin").write_bytes(bytes(range(256)))
    return folder


def test_a_whole_graph_is_opened(graphs: Path) -> None:
    entry = make(graphs / "one")
    assert about(entry) == {"layout": ["tensor"], "fidelity": []}
    (entry / "engine.cache").write_text("added by TensorRT")
    assert about(entry) is not None
    assert stat.S_IMODE(graphs.stat().st_mode) == stat.S_IMODE(entry.stat().st_mode) == 0o700


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["graph.xml", "sub/graph.bin", "about.json"])
@pytest.mark.parametrize("damage", [cut, flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_whatever_is_damaged_is_noticed_and_removed(
    graphs: Path, name: str, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    entry = make(graphs / "one")
    damage(entry / name)
    assert about(entry) is None
    assert str(entry) in caplog.text
    assert "made again" in caplog.text
    assert list(graphs.iterdir()) == []
    assert about(make(graphs / "one")) is not None


@pytest.mark.parametrize("content", ["{", "[]", "null", "7", '{"files": 1}', "\0", "[" * 9000])
def test_metadata_that_are_none_are_no_graph(graphs: Path, content: str) -> None:
    entry = make(graphs / "one")
    (entry / "about.json").write_text(content)
    assert about(entry) is None
    assert not entry.exists()


def test_edited_metadata_are_noticed(graphs: Path) -> None:
    entry = make(graphs / "one")
    text = json.loads((entry / "about.json").read_text())
    text["layout"] = ["tuple", ["tensor"]]
    (entry / "about.json").write_text(json.dumps(text))
    assert about(entry) is None


def test_a_graph_of_an_earlier_version_without_hashes_is_made_again(graphs: Path) -> None:
    entry = graphs / "old"
    entry.mkdir()
    (entry / "about.json").write_text('{"layout": ["tensor"], "fidelity": []}')
    assert about(entry) is None


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_an_entry_that_others_may_write_to_is_not_opened(
    graphs: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    entry = make(graphs / "one")
    entry.chmod(mode)
    assert about(entry) is None
    assert f"{entry} is writable by others (mode {mode:04o})" in caplog.text


def test_a_file_that_others_may_write_to_is_not_opened(graphs: Path) -> None:
    entry = make(graphs / "one")
    (entry / "sub" / "graph.bin").chmod(0o666)
    assert about(entry) is None


@as_root
@pytest.mark.parametrize("which", [".", "graph.xml"])
def test_what_belongs_to_somebody_else_is_not_opened(
    graphs: Path, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    entry = make(graphs / "one")
    os.chown(entry / which, NOBODY, NOBODY)
    assert about(entry) is None
    assert f"is owned by user {NOBODY}" in caplog.text


def test_links_are_not_followed(graphs: Path, tmp_path: Path) -> None:
    elsewhere = make(tmp_path / "elsewhere")
    (graphs / "one").symlink_to(elsewhere)
    assert about(graphs / "one") is None
    assert (elsewhere / "graph.xml").is_file(), "what a link points to stays"
    entry = make(graphs / "two")
    (entry / "graph.xml").unlink()
    (entry / "graph.xml").symlink_to(elsewhere / "graph.xml")
    assert about(entry) is None
    (graphs / "three").write_text("a file")
    assert about(graphs / "three") is None


def test_a_folder_open_to_others_is_replaced_by_the_own_one(
    graphs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graphs.chmod(0o777)
    assert private_folder() == tmp_path / "cache" / "depth_perception" / "graphs"
    assert f"{graphs} is writable by others (mode 0777)" in caplog.text
    graphs.chmod(0o1777)  # as /tmp: what one user puts there, others cannot replace
    assert private_folder() == graphs


def test_a_folder_above_that_is_open_to_others_counts(graphs: Path, tmp_path: Path) -> None:
    above = tmp_path / "above"
    (above / "graphs").mkdir(parents=True)
    above.chmod(0o777)
    assert f"{above} is writable by others" in untrusted(above / "graphs")
    assert f"{above} is writable by others" in untrusted(above / "not" / "there")
    (tmp_path / "link").symlink_to(above / "graphs")
    assert untrusted(tmp_path / "link")


@as_root
@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_folder_above_that_another_user_owns_counts(
    graphs: Path, tmp_path: Path, mode: int
) -> None:
    above = tmp_path / "above"
    inside = above / "between" / "graphs"
    inside.mkdir(parents=True)
    above.chmod(mode)
    assert untrusted(inside) == ""
    os.chown(above, NOBODY, -1)
    reason = f"{above} is owned by user {NOBODY}, not by user {os.geteuid()}"
    assert untrusted(inside) == reason
    (tmp_path / "link").symlink_to(above / "between")
    assert untrusted(tmp_path / "link" / "graphs") == reason


class Accounts:
    """The user 1234 of the primary group 1234, as the databases of the system tell it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
        self.group: SimpleNamespace | None = SimpleNamespace(gr_name="ada", gr_mem=["ada"])
        self.folder = os.stat_result((stat.S_IFDIR | mode, 1, 1, 2, 1234, 1234, 0, 0, 0, 0))
        monkeypatch.setattr(os, "geteuid", lambda: 1234)
        monkeypatch.setattr(os, "getegid", lambda: 1234)
        monkeypatch.setattr(trust.pwd, "getpwuid", lambda _: SimpleNamespace(pw_name="ada"))
        monkeypatch.setattr(trust.grp, "getgrgid", lambda _: self.found())
        monkeypatch.setattr(trust.os, "stat", lambda path: self.stat(path))

    def found(self) -> SimpleNamespace:
        if self.group is None:
            raise KeyError("getgrgid(): gid not found: 1234")
        return self.group

    def stat(self, path: Path) -> os.stat_result:
        if path == Path("/home/ada"):
            return self.folder
        return os.stat_result((stat.S_IFDIR | 0o755, 1, 1, 2, 0, 0, 0, 0, 0, 0))

    def of(self, group: int) -> None:
        self.folder = os.stat_result((*self.folder[:5], group, *self.folder[6:]))


def test_a_folder_above_may_be_writable_for_the_private_group_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside = Path("/home/ada/cache")
    with monkeypatch.context() as patch:
        accounts = Accounts(patch, 0o775)
        verdicts = [untrusted(inside)]
        accounts.group = None  # in a container
        verdicts.append(untrusted(inside))
        accounts.of(0)
        verdicts.append(untrusted(inside))
        refused = [untrusted(Path("/home/ada"))]  # the folder itself
        accounts.of(1234)
        accounts.group = SimpleNamespace(gr_name="ada", gr_mem=["ada", "eve"])
        refused.append(untrusted(inside))
        accounts.group = SimpleNamespace(gr_name="users", gr_mem=[])
        refused.append(untrusted(inside))
        accounts.of(100)  # not the primary group
        accounts.group = SimpleNamespace(gr_name="ada", gr_mem=[])
        refused.append(untrusted(inside))
        accounts.folder = Accounts(patch, 0o777).folder
        refused.append(untrusted(inside))
    assert verdicts == [""] * 3
    assert refused == [
        *["/home/ada is writable by others (mode 0775)"] * 4,
        "/home/ada is writable by others (mode 0777)",
    ]


def test_the_own_folder_is_made_private(
    graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEPTH_PERCEPTION_GRAPHS")
    own = graphs_folder()
    own.mkdir(parents=True)
    own.chmod(0o775)  # mkdir with the umask of Ubuntu
    assert private_folder() == own
    assert stat.S_IMODE(own.stat().st_mode) == 0o755


def test_without_a_private_folder_the_error_says_what_to_do(
    graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("no folder")
    graphs.chmod(0o777)
    with pytest.raises(BackendError, match="DEPTH_PERCEPTION_GRAPHS to a folder that only you"):
        private_folder()


def test_an_intact_entry_passes(graphs: Path) -> None:
    assert untrusted_entry(make(graphs / "one")) == ""
    assert untrusted(graphs) == ""


class Made:
    """Counts the graphs that are made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        export = GraphForward._export

        def counted(*arguments: object) -> None:
            self.count += 1
            export(*arguments)

        monkeypatch.setattr(GraphForward, "_export", counted)


def test_damaged_weights_of_a_graph_change_no_depth(
    graphs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    needs("openvino")
    caplog.set_level(logging.WARNING)
    made = Made(monkeypatch)
    torch.manual_seed(0)
    network = BlindSpotVgg(BlindSpotConfig((4, 6, 8, 8))).eval().requires_grad_(False)
    images = torch.rand(1, 3, 32, 64)
    expected = GraphForward(network, "openvino")(images, circular=False)[0]
    (entry,) = graphs.iterdir()
    flip(entry / "graph.bin")  # OpenVINO opens it as if nothing were wrong
    found = GraphForward(network, "openvino")(images, circular=False)[0]
    assert torch.equal(found, expected)
    assert made.count == 2
    cut(entry / "graph.xml")
    assert torch.equal(GraphForward(network, "openvino")(images, circular=False)[0], expected)
    assert made.count == 3


def test_a_whole_graph_that_the_runtime_cannot_open_is_made_again(
    graphs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Runtime:
        """Opens what was exported after an update, and nothing older."""

        version = 1

        def export(self, capture: object, images: torch.Tensor, folder: Path, _: str) -> None:
            (folder / "graph").write_bytes(zlib.compress(b"%d" % self.version))

        def open_graph(self, folder: Path, *_: object) -> Callable:
            if zlib.decompress((folder / "graph").read_bytes()) != b"%d" % self.version:
                raise RuntimeError("made by another version")
            return lambda images: list(network(images, circular=False))

    runtime = Runtime()
    monkeypatch.setattr(forward_module, "engine", lambda backend: runtime)
    monkeypatch.setattr(forward_module, "check_backend", lambda *_: None)
    made = Made(monkeypatch)
    torch.manual_seed(0)
    network = BlindSpotVgg(BlindSpotConfig((4, 6, 8, 8))).eval().requires_grad_(False)
    images = torch.rand(1, 3, 32, 64)
    with torch.inference_mode():
        expected = network(images, circular=False)[0]
    for version, count in ((1, 1), (1, 1), (2, 2), (2, 2)):
        runtime.version = version
        found = GraphForward(network, "inductor")(images, circular=False)[0]
        assert torch.equal(found, expected)
        assert made.count == count
    assert "made by another version" in caplog.text
