"""One file: continued after a break, verified, and refused in words that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from doubles.fake_hub import FakeHub
from doubles.inputs import LARGE
from tunegrid.config.errors import DataError
from tunegrid.store.inputs import https


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
