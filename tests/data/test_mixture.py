"""Mixtures: what is drawn, held out and counted, and what must not change a draw."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tunegrid.config.errors import ConfigError, DataError
from tunegrid.config.fingerprint import file_sha256
from tunegrid.config.schema import CollectionConfig, DataConfig
from tunegrid.data import mixture
from tunegrid.data.example import Example
from tunegrid.data.mixture import Mixture, compose, effective_collections


def write(path: Path, count: int, word: str = "frage") -> str:
    """Write `count` different records and return the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [{"instruction": f"{word} {n}", "output": f"answer {n}"} for n in range(count)]
    path.write_text(json.dumps(records), encoding="utf-8")
    return path.name


def collection(
    name: str, *files: str, count: int | None = None, **options: Any
) -> CollectionConfig:
    return CollectionConfig(name=name, files=list(files), count=count, options=options)


def mixed(
    root: Path,
    *collections: CollectionConfig,
    seed: int = 0,
    validation: int = 0,
    max_characters: int | None = None,
    share: float = 0.01,
) -> Mixture:
    return compose(
        collections,
        seed=seed,
        validation_examples=validation,
        max_characters=max_characters,
        max_rejected_share=share,
        root=root,
    )


def texts(examples: Sequence[Example]) -> list[str]:
    return [example.instruction for example in examples]


def test_all_examples_are_taken_once_and_shuffled(tmp_path: Path) -> None:
    files = write(tmp_path / "a.json", 50), write(tmp_path / "b.json", 30, "question")
    found = mixed(tmp_path, collection("a", files[0]), collection("b", files[1]))
    expected = [f"frage {n}" for n in range(50)] + [f"question {n}" for n in range(30)]
    assert sorted(texts(found.train)) == sorted(expected)
    assert texts(found.train) != expected
    assert found.validation == []
    assert {example.source for example in found.train} == {"a/a.json", "b/b.json"}


GOLDEN_SEED_0 = ["frage 23", "frage 34", "frage 20", "frage 27", "frage 19", "frage 24"]


def test_the_mixture_of_a_seed_is_fixed(tmp_path: Path) -> None:
    """A change here is a change of every trained cell: it needs a line in the changelog."""
    name = write(tmp_path / "a.json", 40)
    found = mixed(tmp_path, collection("a", name, count=6))
    assert texts(found.train) == GOLDEN_SEED_0
    assert texts(mixed(tmp_path, collection("a", name, count=6), seed=1).train) != GOLDEN_SEED_0


def test_seeds_give_different_draws_and_orders(tmp_path: Path) -> None:
    name = write(tmp_path / "a.json", 60)
    draws = [mixed(tmp_path, collection("a", name, count=20), seed=s).train for s in range(4)]
    assert len({frozenset(texts(draw)) for draw in draws}) == 4
    orders = [mixed(tmp_path, collection("a", name), seed=s).train for s in range(4)]
    assert len({tuple(texts(order)) for order in orders}) == 4


def test_every_example_is_drawn_equally_often(tmp_path: Path) -> None:
    """20 of 40 in 200 draws: each 100 times, with a standard deviation of 7."""
    name = write(tmp_path / "a.json", 40)
    times = dict.fromkeys((f"frage {n}" for n in range(40)), 0)
    for seed in range(200):
        for text in texts(mixed(tmp_path, collection("a", name, count=20), seed=seed).train):
            times[text] += 1
    assert min(times.values()) > 70
    assert max(times.values()) < 130


def test_another_collection_changes_no_draw(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.json", 60), write(tmp_path / "b.json", 60, "question")
    alone = mixed(tmp_path, collection("a", a, count=20))
    both = mixed(tmp_path, collection("a", a, count=20), collection("b", b, count=10))
    of_a = [text for text in texts(both.train) if text.startswith("frage")]
    assert of_a == texts(alone.train)


def test_names_paths_and_order_of_collections_change_no_example(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.json", 60), write(tmp_path / "b.json", 60, "question")
    write(tmp_path / "elsewhere" / "renamed.json", 60)
    first = mixed(tmp_path, collection("a", a, count=20), collection("b", b, count=9), validation=5)
    second = mixed(
        tmp_path,
        collection("b", b, count=9),
        collection("zzz", "elsewhere/renamed.json", count=20),
        validation=5,
    )
    assert texts(first.train) == texts(second.train)
    assert texts(first.validation) == texts(second.validation)


def test_the_order_of_collections_changes_nothing_at_all(tmp_path: Path) -> None:
    """Not even where one file stands in both, so that its examples share their ranks."""
    name = write(tmp_path / "a.json", 30)
    one, other = collection("one", name), collection("other", name, count=7)
    assert mixed(tmp_path, one, other) == mixed(tmp_path, other, one)


def test_a_smaller_count_is_part_of_a_larger_one(tmp_path: Path) -> None:
    name = write(tmp_path / "a.json", 60)
    ten, thirty = (
        set(texts(mixed(tmp_path, collection("a", name, count=n)).train)) for n in (10, 30)
    )
    assert len(ten) == 10
    assert ten < thirty


def test_a_draw_is_not_correlated_with_the_split_or_the_order(tmp_path: Path) -> None:
    name = write(tmp_path / "a.json", 200)
    drawn = mixed(tmp_path, collection("a", name, count=100))
    held_out = mixed(tmp_path, collection("a", name), validation=100)
    common = set(texts(drawn.train)) & set(texts(held_out.validation))
    assert 25 < len(common) < 75
    first_half = texts(mixed(tmp_path, collection("a", name)).train)[:100]
    assert 25 < len(set(first_half) & set(texts(drawn.train))) < 75


def test_validation_and_training_never_overlap(tmp_path: Path) -> None:
    records = [{"instruction": f"i{n % 15}", "output": "o"} for n in range(25)]
    (tmp_path / "a.json").write_text(json.dumps(records), encoding="utf-8")
    found = mixed(tmp_path, collection("a", "a.json"), validation=5)
    assert len(found.validation) == 5
    assert len(found.train) == 20
    assert not set(texts(found.validation)) & set(texts(found.train))
    # Five texts occur once; holding out a sixth example would leave its twin in training.
    with pytest.raises(ConfigError, match=r"is 6, but the mixture has 25 examples,\s+5 of them"):
        mixed(tmp_path, collection("a", "a.json"), validation=6)
    assert found.manifest["totals"]["duplicates"] == 10


def test_the_last_example_cannot_be_held_out(tmp_path: Path) -> None:
    name = write(tmp_path / "a.json", 3)
    assert len(mixed(tmp_path, collection("a", name), validation=2).train) == 1
    with pytest.raises(ConfigError, match="3 examples"):
        mixed(tmp_path, collection("a", name), validation=3)


def test_long_examples_are_left_out_before_counting(tmp_path: Path) -> None:
    records = [{"instruction": "i", "input": "x", "output": "o" * n} for n in range(1, 21)]
    (tmp_path / "a.json").write_text(json.dumps(records), encoding="utf-8")
    found = mixed(tmp_path, collection("a", "a.json"), max_characters=12)
    assert max(example.characters for example in found.train) == 12
    (entry,) = found.manifest["collections"]
    assert (entry["read"], entry["too_long"], entry["drawn"]) == (20, 10, 10)
    with pytest.raises(ConfigError, match=r"asks for 11 examples and has 10 \(10 are longer"):
        mixed(tmp_path, collection("a", "a.json", count=11), max_characters=12)
    with pytest.raises(DataError, match="no example is left of 20"):
        mixed(tmp_path, collection("a", "a.json"), max_characters=2)


def test_the_manifest_accounts_for_every_record(tmp_path: Path) -> None:
    write(tmp_path / "a.json", 8)
    records = [{"instruction": f"x{n}", "output": "" if n < 25 else "o"} for n in range(30)]
    lines = "\n".join(json.dumps(record) for record in [*records, 7, records[-1]])
    (tmp_path / "b.jsonl").write_text(lines, encoding="utf-8")
    found = mixed(
        tmp_path, collection("mix", "a.json", "b.jsonl", count=12), validation=3, share=0.9, seed=5
    )
    manifest = json.loads(json.dumps(found.manifest))
    (entry,) = manifest["collections"]
    assert entry["files"][1] == {
        "path": "b.jsonl",
        "sha256": file_sha256(tmp_path / "b.jsonl"),
        "recognised": "JSON lines; instruction, input, output",
        "records": 32,
        "rejected": 26,
    }
    assert entry["rejected_reasons"] == {"empty output": 25, "not an object": 1}
    assert len(entry["rejected_examples"]) == 20
    assert entry["rejected_examples"][0] == {
        "file": "b.jsonl",
        "line": 1,
        "position": 1,
        "reason": "empty output",
        "excerpt": '{"instruction": "x0", "output": ""}',
    }
    assert entry["read"] == entry["rejected"] + entry["too_long"] + 14
    assert (entry["drawn"], entry["in_train"], entry["in_validation"]) == (12, 9, 3)
    assert entry["characters"] == sum(e.characters for e in found.train + found.validation)
    assert manifest["seed"] == 5
    assert manifest["totals"]["read"] == 40


def test_too_many_rejected_records_are_refused_with_reasons_and_lines(tmp_path: Path) -> None:
    lines = ['{"instruction": "i", "output": "o"}'] * 94
    lines[10:10] = ['{"instruction": "i"}'] * 4 + ['{"instruction": "i", "output": ""}'] * 2
    (tmp_path / "a.json").write_text("\n".join(lines), encoding="utf-8")
    assert len(mixed(tmp_path, collection("a", "a.json"), share=0.06).train) == 94
    with pytest.raises(DataError) as caught:
        mixed(tmp_path, collection("a", "a.json"), share=0.059)
    message = str(caught.value)
    for part in ("6 of 100", "6.0%", "4 x no field 'output'", "2 x empty output", "max_rejected"):
        assert part in message
    assert 'line 11, record 11: no field \'output\': {"instruction": "i"}' in message
    assert "line 15" in message
    assert "line 16" not in message


def test_all_missing_files_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        mixed(tmp_path, collection("a", "x/none.json"), collection("b", "~nobody/none.json"))
    message = str(caught.value)
    assert "2 problems" in message
    assert str(tmp_path / "x" / "none.json") in message
    assert "data.collections.a.files=" in message


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "far" / "a.json", 4)
    found = mixed(tmp_path / "near", collection("a", str(tmp_path / "far" / "a.json")))
    assert len(found.train) == 4


@pytest.mark.parametrize(
    ("collections", "parts"),
    [
        ([], ["no collection and no file"]),
        ([collection("a")], ["'a' names no file"]),
        ([collection("a", "a.json", "./a.json")], ["names a.json 2 times"]),
        ([collection("a", "a.json"), collection("a", "b.json")], ["two collections are named 'a'"]),
        ([collection("a", "a.json", count=0)], ["count is 0; give 1 or more"]),
        (
            [collection("a", "a.json", outputkey="x"), collection("b", "b.json", count=-1)],
            ["2 problems", "'outputkey'; did you mean 'output_key'?", "count is -1"],
        ),
        (
            [CollectionConfig(name="a", files=["a.json"], function="no.read")],
            ["there is no 'no'"],
        ),
    ],
)
def test_what_cannot_be_mixed_is_refused_before_reading(
    tmp_path: Path, collections: list[CollectionConfig], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        mixed(tmp_path, *collections)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "limits", [{"validation": -1}, {"max_characters": 0}, {"share": 1.5}, {"share": float("nan")}]
)
def test_impossible_limits_are_refused(tmp_path: Path, limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        mixed(tmp_path, collection("a", write(tmp_path / "a.json", 3)), **limits)


def test_more_than_there_is_names_every_collection(tmp_path: Path) -> None:
    name = write(tmp_path / "a.json", 3)
    with pytest.raises(ConfigError) as caught:
        mixed(tmp_path, collection("a", name, count=4), collection("b", name, count=3000))
    assert "'a' asks for 4 examples and has 3" in str(caught.value)
    assert "'b' asks for 3,000 examples and has 3" in str(caught.value)


def test_plain_files_become_collections_named_by_their_stem() -> None:
    data = DataConfig(
        name="x",
        files=["d/a.json", "e/a.json", "b.jsonl"],
        collections={"a-2": collection("a-2", "c.json")},
    )
    found = effective_collections(data)
    assert [(c.name, c.files) for c in found] == [
        ("a-2", ["c.json"]),
        ("a", ["d/a.json"]),
        ("a-3", ["e/a.json"]),
        ("b", ["b.jsonl"]),
    ]
    assert found[1].function == CollectionConfig().function


@pytest.mark.parametrize(
    "data",
    [
        DataConfig(files=["a.json", "./a.json"]),
        DataConfig(files=["a.json"], collections={"c": collection("c", "d/../a.json")}),
        DataConfig(collections={"c": collection("x", "a.json"), "d": collection("x", "b.json")}),
    ],
)
def test_a_file_or_a_name_given_twice_is_refused(data: DataConfig) -> None:
    with pytest.raises(ConfigError):
        effective_collections(data)


def test_the_real_demo_file(shared_data: Path) -> None:
    data = DataConfig(name="x", files=["alpaca_zh_demo.json"], max_characters=600)
    found = compose(
        effective_collections(data),
        seed=0,
        validation_examples=100,
        max_characters=600,
        max_rejected_share=0.0,
        root=shared_data / "instruct",
    )
    totals = found.manifest["totals"]
    assert (totals["read"], totals["too_long"], len(found.train)) == (1000, 12, 888)


def test_no_twin_of_the_ranking_is_left(tmp_path: Path) -> None:
    """The ranks of one purpose differ for every example, so no order is left to chance."""
    name = write(tmp_path / "a.json", 500)
    union = [
        mixture._Drawn(0, "ab", example) for example in mixed(tmp_path, collection("a", name)).train
    ]
    forward = mixture._by_rank(union, 0, "order")
    backward = mixture._by_rank(union[::-1], 0, "order")
    assert texts([d.example for d in forward]) == texts([d.example for d in backward])
