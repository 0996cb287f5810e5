"""Inputs are listed, brought, continued after a break and verified; what is unsafe is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants

from doubles.fake_hub import COMMIT, FakeHub, serve, sha256
from tunegrid.cli import main
from tunegrid.cli.commands import sweeps
from tunegrid.config.errors import ConfigError, DataError
from tunegrid.config.schema import (
    BenchmarkConfig,
    CellConfig,
    CollectionConfig,
    ModelConfig,
    SourceConfig,
)
from tunegrid.store.inputs import download, https, hub, listing, locate
from tunegrid.store.inputs.sources import Input, inputs_of

LARGE = bytes(range(256)) * 2000
BASE_FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "model.safetensors": LARGE,
    "pytorch_model.bin": b"pickle",
    "modeling_own.py": b"print('code')",
    "README.md": b"# base",
}


@pytest.fixture
def server() -> Iterator[FakeHub]:
    fake = FakeHub()
    running = serve(fake)
    yield fake
    running.shutdown()
    running.server_close()


@pytest.fixture
def reached(server: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """The fake hub in the place of the model hub, with an empty cache."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    return server


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https.tenacity.nap.time, "sleep", lambda seconds: None)


def config(**changes: Any) -> CellConfig:
    made = CellConfig(model=ModelConfig(name="tiny", path="owner/tiny", download_bytes=77))
    made.peft.function = "library.attach"
    made.judge.function = "reference.build"
    return replace(made, **changes)


def with_collection(source: SourceConfig, *files: str) -> CellConfig:
    made = config()
    made.data.collections = {"stories": CollectionConfig("stories", list(files), source=source)}
    return made


def only(found: list[Input], kind: str) -> Input:
    (one,) = [one for one in found if one.kind == kind]
    return one


def brought(project: Path, *configs: CellConfig, kind: str) -> list[download.Failure]:
    found = listing.listed([only(inputs_of(configs, project), kind)])
    return download.bring_all(found, lambda line: None)


# What a sweep needs


def test_each_input_is_named_once(tmp_path: Path) -> None:
    source = SourceConfig(repository="owner/data", files=["a.json"])
    first, second = (with_collection(source, "inputs/a.json") for _ in range(2))
    second.seed = 1
    found = inputs_of([first, second], tmp_path)
    assert [(one.kind, one.name) for one in found] == [("base", "tiny"), ("collection", "stories")]
    assert found[1].files[0].path == tmp_path / "inputs" / "a.json"


def test_an_untuned_base_needs_no_collection(tmp_path: Path) -> None:
    made = with_collection(SourceConfig(repository="o/d", files=["a.json"]), "inputs/a.json")
    made.peft.function = None
    assert [one.kind for one in inputs_of([made], tmp_path)] == ["base"]


def test_a_benchmarks_files_go_into_its_folder_or_beside_its_file(tmp_path: Path) -> None:
    made = config()
    source = SourceConfig(url="https://x.org/e/", files=["test/a.xlsx", "dev/b.xlsx"])
    made.eval.benchmarks["mmcu"] = BenchmarkConfig("mmcu.read", "inputs/mmcu", source=source)
    beside = SourceConfig(url="https://x.org/e", files=["eval_set.json", "eval_prompt.json"])
    made.eval.benchmarks["belle"] = BenchmarkConfig("belle.read", "i/own.json", source=beside)
    belle, mmcu = (one for one in inputs_of([made], tmp_path) if one.kind == "benchmark")
    assert [f.path for f in belle.files] == [
        tmp_path / "i/own.json",
        tmp_path / "i/eval_prompt.json",
    ]
    assert [f.path for f in mmcu.files] == [
        tmp_path / "inputs/mmcu/test/a.xlsx", tmp_path / "inputs/mmcu/dev/b.xlsx"
    ]  # fmt: skip
    assert mmcu.address(mmcu.files[0]) == "https://x.org/e/test/a.xlsx"


@pytest.mark.parametrize(
    ("source", "path", "expected"),
    [
        (SourceConfig(repository="o/d", files=["../../etc/passwd"]), "i/a.json", "without '..'"),
        (SourceConfig(repository="o/d", files=["/etc/passwd"]), "i/a.json", "not absolute"),
        (SourceConfig(repository="o/d", files=["a\\..\\b"]), "i/a.json", "is not accepted"),
        (SourceConfig(repository="o/d", files=["C:/b"]), "i/a.json", "is not accepted"),
        (SourceConfig(repository="o/d", files=["a"]), "../a.json", "lies outside"),
        (SourceConfig(repository="o/d", files=["a"]), "/nowhere/a.json", "lies outside"),
        (SourceConfig(repository="o/d", files=["a", "b"]), "i/a.json", "2 names for 1 paths"),
        (SourceConfig(repository="o/d", files=["a"], sha256=["0"] * 2), "i/a.json", "2 hashes"),
        (SourceConfig(url="http://x.org", files=["a"]), "i/a.json", "https://"),
        (SourceConfig(url="file:///etc", files=["a"]), "i/a.json", "https://"),
        (SourceConfig(url="https://me:pass@x.org", files=["a"]), "i/a.json", "no password"),
        (SourceConfig("o/d", url="https://x.org", files=["a"]), "i/a.json", "not both"),
    ],
)
def test_refused_before_anything_is_asked(
    source: SourceConfig, path: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=expected):
        inputs_of([with_collection(source, path)], tmp_path)


def test_one_path_has_one_source(tmp_path: Path) -> None:
    first = with_collection(SourceConfig(repository="o/d", files=["a"]), "inputs/a.json")
    second = with_collection(SourceConfig(repository="o/e", files=["a"]), "inputs/a.json")
    with pytest.raises(ConfigError, match="datasets/o/d for one cell and from datasets/o/e"):
        inputs_of([first, second], tmp_path)


# One file


def test_a_transfer_that_breaks_goes_on_where_it_was(server: FakeHub, tmp_path: Path) -> None:
    server.plain["/d/a.json"] = LARGE
    server.breaks["a.json"] = [1000, 200_000]
    https.bring(f"{server.url}/d/a.json", tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == LARGE
    first, second, third = server.ranges("a.json")
    assert first is None
    assert second is not None
    assert third is not None
    assert 0 < int(second[6:-1]) < int(third[6:-1])
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_an_interrupted_fetch_is_continued_by_the_next(server: FakeHub, tmp_path: Path) -> None:
    server.plain["/a.json"] = LARGE
    server.breaks["a.json"] = [100_000] + [0] * https.ATTEMPTS
    with pytest.raises(DataError, match=r"broke off 5 times.*the same command goes on"):
        https.bring(f"{server.url}/a.json", tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()
    server.breaks.clear()
    server.asked.clear()
    https.bring(f"{server.url}/a.json", tmp_path / "a.json")
    assert server.ranges("a.json") != [None]
    assert (tmp_path / "a.json").read_bytes() == LARGE


def test_a_file_that_changed_meanwhile_is_begun_anew(server: FakeHub, tmp_path: Path) -> None:
    server.plain["/a.json"] = LARGE
    server.breaks["a.json"] = [100_000] + [0] * https.ATTEMPTS
    with pytest.raises(DataError):
        https.bring(f"{server.url}/a.json", tmp_path / "a.json")
    server.breaks.clear()
    server.plain["/a.json"] = LARGE[::-1]
    https.bring(f"{server.url}/a.json", tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == LARGE[::-1]


@pytest.mark.parametrize("left_over", [False, True])
def test_a_wrong_hash_leaves_nothing(server: FakeHub, tmp_path: Path, left_over: bool) -> None:
    server.plain["/a.json"] = LARGE
    if left_over:
        (tmp_path / "a.json.part").write_bytes(b"half")
    with pytest.raises(DataError, match="another hash than is stated; nothing was kept"):
        https.bring(f"{server.url}/a.json", tmp_path / "a.json", is_right=lambda path: False)
    assert list(tmp_path.iterdir()) == []


def test_a_left_over_of_another_version_is_replaced(server: FakeHub, tmp_path: Path) -> None:
    server.plain["/a.json"] = LARGE
    (tmp_path / "a.json.part").write_bytes(b"x" * 5000)
    https.bring(
        f"{server.url}/a.json", tmp_path / "a.json", is_right=lambda p: p.read_bytes() == LARGE
    )
    assert (tmp_path / "a.json").read_bytes() == LARGE


@pytest.mark.parametrize(
    ("status", "expected"), [(401, "HF_TOKEN"), (404, "no such file"), (500, "status 500")]
)
def test_a_refusal_says_what_to_do(
    server: FakeHub, tmp_path: Path, status: int, expected: str
) -> None:
    server.plain["/a.json"] = LARGE
    server.status["a.json"] = status
    with pytest.raises(DataError, match=expected):
        https.bring(f"{server.url}/a.json", tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_asks_to_log_in_is_no_file(server: FakeHub, tmp_path: Path) -> None:
    server.plain["/a.json"] = b"<html>log in</html>"
    server.pages.add("a.json")
    with pytest.raises(DataError, match="sends a web page"):
        https.bring(f"{server.url}/a.json", tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


# Bases


def test_needed_of_a_base() -> None:
    assert hub.needed(BASE_FILES) == ["model.safetensors", "config.json", "tokenizer.json"]
    pickled = ["config.json", "pytorch_model.bin", "training_args.bin", "sub/model.safetensors"]
    assert hub.needed(pickled) == ["pytorch_model.bin", "config.json"]
    twice = ["config.json", "consolidated.safetensors", "model-1-of-1.safetensors"]
    assert hub.needed(twice) == ["model-1-of-1.safetensors", "config.json"]
    indexes = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin.index.json"]
    assert hub.needed(indexes) == indexes[:2]
    assert hub.needed(["config.json", "README.md"]) == []


def test_a_base_is_brought_without_code_and_pickles(reached: FakeHub, tmp_path: Path) -> None:
    reached.repositories["models/owner/tiny"] = BASE_FILES
    reached.breaks["model.safetensors"] = [100_000]
    (one,) = listing.listed([only(inputs_of([config()], tmp_path), "base")])
    assert (one.state, one.is_stated) == ("missing", False)
    wanted = ("config.json", "model.safetensors", "tokenizer.json")
    assert one.size_bytes == one.to_bring_bytes == sum(len(BASE_FILES[name]) for name in wanted)
    said: list[str] = []
    assert download.bring_all([one], said.append) == []
    assert f"model.revision={COMMIT}" in "\n".join(said)
    assert reached.ranges("model.safetensors") == [None, "bytes=100000-"]
    folder = tmp_path / "cache/models--owner--tiny/snapshots" / COMMIT
    assert sorted(path.name for path in folder.iterdir()) == list(wanted)
    assert (folder / "model.safetensors").read_bytes() == LARGE
    (again,) = listing.listed([one.input])
    (offline,) = listing.listed([one.input], ask_servers=False)
    assert again.state == offline.state == "here"


def test_a_damaged_base_is_removed_and_named(reached: FakeHub, tmp_path: Path) -> None:
    reached.repositories["models/owner/tiny"] = BASE_FILES
    reached.damaged["model.safetensors"] = LARGE[::-1]
    (failure,) = brought(tmp_path, config(), kind="base")
    assert "model.safetensors arrived with another hash" in failure.reason
    folder = tmp_path / "cache/models--owner--tiny/snapshots" / COMMIT
    assert not (folder / "model.safetensors").exists()
    reached.damaged.clear()
    assert brought(tmp_path, config(), kind="base") == []
    assert (folder / "model.safetensors").read_bytes() == LARGE


def test_a_shard_that_is_missing_is_missed_offline(reached: FakeHub, tmp_path: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    files = {"config.json": b"{}", "model.safetensors.index.json": json.dumps(index).encode()}
    files |= {"model-1.safetensors": LARGE, "model-2.safetensors": LARGE[::-1]}
    reached.repositories["models/owner/tiny"] = files
    assert brought(tmp_path, config(), kind="base") == []
    one = only(inputs_of([config()], tmp_path), "base")
    folder = tmp_path / "cache/models--owner--tiny/snapshots" / COMMIT
    assert listing.listed([one], ask_servers=False)[0].state == "here"
    (folder / "model-2.safetensors").unlink()
    assert listing.listed([one], ask_servers=False)[0].state == "missing"


def test_a_gated_base_asks_for_a_token(reached: FakeHub, tmp_path: Path) -> None:
    reached.repositories["models/owner/tiny"] = BASE_FILES
    reached.gated.add("models/owner/tiny")
    (one,) = listing.listed([only(inputs_of([config()], tmp_path), "base")])
    assert one.state == "refused"
    assert one.note is not None
    assert "set the environment variable HF_TOKEN" in one.note


def test_a_base_that_cannot_be_launched_is_left_out(reached: FakeHub, tmp_path: Path) -> None:
    made = config(model=ModelConfig(name="tiny", path="owner/tiny", planned="no code yet"))
    (one,) = listing.listed([only(inputs_of([made], tmp_path), "base")])
    assert (one.state, one.note) == ("left out", "not launchable yet: no code yet")
    assert reached.asked == []


def test_without_a_network_the_stated_size_is_shown(tmp_path: Path) -> None:
    (one,) = listing.listed([only(inputs_of([config()], tmp_path), "base")])
    assert (one.state, one.size_bytes, one.is_stated) == ("missing", 77, True)
    assert "HF_HUB_OFFLINE is set" in (one.note or "")


# Collections


def test_a_collection_of_the_hub_is_brought_and_verified(reached: FakeHub, tmp_path: Path) -> None:
    reached.repositories["datasets/owner/data"] = {"x/a.json": LARGE, "x/b.json": b"[]"}
    made = with_collection(
        SourceConfig(repository="owner/data", files=["x/a.json", "x/b.json"]),
        "inputs/stories/first.json", "inputs/stories/second.json",
    )  # fmt: skip
    assert brought(tmp_path, made, kind="collection") == []
    assert (tmp_path / "inputs/stories/first.json").read_bytes() == LARGE
    assert (tmp_path / "inputs/stories/second.json").read_bytes() == b"[]"
    reached.asked.clear()
    (again,) = listing.listed([only(inputs_of([made], tmp_path), "collection")])
    assert (again.state, reached.asked) == ("here", [])


@pytest.mark.parametrize("name", ["large.json", "small.json"])
def test_a_damaged_collection_is_not_kept(reached: FakeHub, tmp_path: Path, name: str) -> None:
    """The hub states sha256 for large files and git's hash for small ones."""
    content = LARGE if name == "large.json" else b'["whole"]'
    reached.repositories["datasets/owner/data"] = {name: content}
    reached.damaged[name] = content[::-1]
    made = with_collection(SourceConfig(repository="owner/data", files=[name]), "inputs/a.json")
    (failure,) = brought(tmp_path, made, kind="collection")
    assert "another hash" in failure.reason
    assert list((tmp_path / "inputs").iterdir()) == []


def test_a_stated_hash_is_held_against_files_that_are_here(server: FakeHub, tmp_path: Path) -> None:
    server.plain["/d/a.json"] = LARGE
    source = SourceConfig(url=f"{server.url}/d", files=["a.json"], sha256=[sha256(LARGE).upper()])
    made = with_collection(source, "inputs/a.json")
    assert brought(tmp_path, made, kind="collection") == []
    (tmp_path / "inputs/a.json").write_bytes(b"edited")
    (one,) = listing.listed([only(inputs_of([made], tmp_path), "collection")])
    assert one.state == "refused"
    assert "move it away" in (one.note or "")


def test_a_file_that_the_repository_lacks_is_named(reached: FakeHub, tmp_path: Path) -> None:
    reached.repositories["datasets/owner/data"] = {"a.json": LARGE}
    made = with_collection(SourceConfig(repository="owner/data", files=["b.json"]), "inputs/b.json")
    (one,) = listing.listed([only(inputs_of([made], tmp_path), "collection")])
    assert one.state == "refused"
    assert "has no file 'b.json'" in (one.note or "")


def test_one_failure_does_not_stop_the_others(server: FakeHub, tmp_path: Path) -> None:
    server.plain |= {"/d/a.json": LARGE, "/d/b.json": LARGE}
    server.breaks["a.json"] = [0] * 2 * https.ATTEMPTS
    made = config()
    for name in ("a.json", "b.json"):
        source = SourceConfig(url=f"{server.url}/d", files=[name])
        made.data.collections[name] = CollectionConfig(name, [f"inputs/{name}"], source=source)
    found = [one for one in inputs_of([made], tmp_path) if one.kind == "collection"]
    failures = download.bring_all(listing.listed(found), lambda line: None)
    assert [failure.input.name for failure in failures] == ["a.json"]
    assert (tmp_path / "inputs/b.json").read_bytes() == LARGE


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"2\.0 TB are to be brought and 1\.0 GB are free"):
        listing.refuse_overflow([listing.Room(tmp_path, 2 * 10**12, 10**9)])


# The command


@pytest.fixture
def sweep(server: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of one cell with one collection on the file server, in a project of its own."""
    server.plain["/d/a.json"] = LARGE
    source = SourceConfig(url=f"{server.url}/d", files=["a.json"], sha256=[sha256(LARGE)])
    made = with_collection(source, "inputs/a.json")
    made.model.path = str(tmp_path)
    planned = [SimpleNamespace(cell=SimpleNamespace(config=made))]
    monkeypatch.setattr(
        "tunegrid.launch.sweep_cells.planned_cells", lambda sweep, project, overrides: planned
    )
    monkeypatch.setattr(sweeps, "project_directory", lambda: tmp_path)
    return tmp_path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(["fetch", "tiny", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_without_a_terminal_it_lists_and_brings_nothing(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    shown = capsys.readouterr()
    assert "stories" in shown.out
    assert "512.0 kB" in shown.out
    assert "tunegrid fetch tiny --yes" in shown.err
    assert not (sweep / "inputs").exists()


def test_yes_brings_it_and_a_second_time_does_nothing(sweep: Path, server: FakeHub) -> None:
    assert run("--offline-check") == 1
    assert run("--yes") == 0
    assert (sweep / "inputs/a.json").read_bytes() == LARGE
    server.asked.clear()
    assert run("--yes") == 0
    assert run("--offline-check") == 0
    assert server.asked == []


def test_a_wrong_hash_ends_with_1_and_leaves_nothing(
    sweep: Path, server: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    server.damaged["a.json"] = LARGE[::-1]
    assert run("--yes") == 1
    assert "1 inputs could not be brought" in capsys.readouterr().err
    assert list((sweep / "inputs").iterdir()) == []


def test_only_and_json(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--only", "collections", "--offline-check", "--json") == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["input"], row["kind"], row["state"]) == ("stories", "collection", "missing")


@pytest.mark.parametrize(("answer", "expected"), [("y\n", True), ("\n", False), ("", False)])
def test_a_terminal_is_asked(answer: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: answer))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert sweeps._confirmed("tiny") is expected


def test_an_absent_input_names_the_command_that_brings_it(tmp_path: Path) -> None:
    made = with_collection(SourceConfig(repository="o/d", files=["a"]), "inputs/a.json")
    (problem,) = locate.resolve_paths(made, (tmp_path,))
    assert problem.endswith("bring it with `tunegrid fetch <sweep>` on a machine with network")
    made.data.collections["stories"].source = None
    (problem,) = locate.resolve_paths(made, (tmp_path,))
    assert "fetch" not in problem
