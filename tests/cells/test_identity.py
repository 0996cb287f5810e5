"""Names of cells: the same for the same experiment anywhere, another for anything else."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunegrid.cells import identity
from tunegrid.config.choices import Device, Layout, Precision, Schedule, Stage
from tunegrid.config.errors import ConfigError
from tunegrid.config.schema import (
    BenchmarkConfig,
    CellConfig,
    CollectionConfig,
    DataConfig,
    DecodingConfig,
    EvalConfig,
    JudgeConfig,
    LoggingConfig,
    ModelConfig,
    PeftConfig,
    PromptConfig,
    QuantizationConfig,
    RuntimeConfig,
    SourceConfig,
    TrainConfig,
)

CONTENTS = {"/base": "b" * 64, "/data.json": "d" * 64, "/other.json": "e" * 64}


def config() -> CellConfig:
    prompt = PromptConfig(
        name="english",
        language="english",
        with_input="{instruction} {input}",
        without_input="{instruction}",
        multiple_choice="{instruction}",
    )
    return CellConfig(
        model=ModelConfig(name="base", path="/base", architecture="llama"),
        peft=PeftConfig(name="lora", function="library.attach", options={"r": 8}),
        quantization=QuantizationConfig(name="fp32"),
        data=DataConfig(
            name="data",
            collections={"one": CollectionConfig(name="one", files=["/data.json"], count=3)},
        ),
        prompt=prompt,
        train=TrainConfig(name="default"),
        eval=EvalConfig(name="none"),
        judge=JudgeConfig(name="reference", function="reference.build"),
        logging=LoggingConfig(name="none"),
    )


def identified(cell: CellConfig, contents: dict[str, str] = CONTENTS) -> dict[str, Any]:
    return identity.train_identity(cell, contents)


def name(cell: CellConfig, contents: dict[str, str] = CONTENTS) -> str:
    return identity.train_id(cell, identified(cell, contents))


def hash_of(cell: CellConfig) -> str:
    """The name without its words."""
    return name(cell)[-identity.HASH_LENGTH :]


def test_the_name_is_golden() -> None:
    """A change here renames every finished cell of every user: write it in the CHANGELOG."""
    assert name(config()) == "base-lora-fp32-data-english-default-s0-c2e8d621f985"


def test_where_and_how_fast_a_cell_runs_is_no_part_of_it() -> None:
    cell = config()
    cell.runtime = RuntimeConfig(
        results="/elsewhere", device=Device.cuda, threads=7, layout=Layout.padded
    )
    cell.logging = LoggingConfig(name="wandb", wandb=True)
    cell.stage = Stage.train
    cell.eval = EvalConfig(name="other", limit=3)
    cell.judge = JudgeConfig(name="other", function="x")
    assert name(cell) == name(config())


def test_a_moved_file_keeps_the_name_and_a_changed_one_does_not() -> None:
    cell = config()
    cell.data.collections["one"].files = ["/moved.json"]
    assert name(cell, {**CONTENTS, "/moved.json": CONTENTS["/data.json"]}) == name(config())
    assert name(cell, {**CONTENTS, "/moved.json": "f" * 64}) != name(config())


def changed(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if value is None:
        return 1
    if isinstance(value, list):
        return [*value, "/other.json"]
    if isinstance(value, dict):
        return {**value, "further": 1}
    members = list(type(value))
    return members[(members.index(value) + 1) % len(members)]


NO_WEIGHT = {
    "model": {field.name for field in dataclasses.fields(ModelConfig)} - {"path"},
    "peft": {"name", "precisions"},
    "quantization": {"name", "double_quantization", "int8_threshold"},
    "data": {"name", "collections", "max_rejected_share"},
    "prompt": {"name", "language", "multiple_choice", "stop"},
    "train": {"name", "log_every_steps", "checkpoints_per_epoch", "evaluations_per_epoch"},
}
"""Settings that change no weight of the cell above."""
SETTINGS = [
    (group, field.name, field.name in names)
    for group, names in NO_WEIGHT.items()
    for field in dataclasses.fields(getattr(config(), group))
    if (group, field.name) not in {("model", "path"), ("data", "collections")}
]


@pytest.mark.parametrize(("group", "setting", "is_idle"), SETTINGS)
def test_a_setting_changes_the_name_if_and_only_if_it_changes_weights(
    group: str, setting: str, is_idle: bool
) -> None:
    cell = copy.deepcopy(config())
    holder = getattr(cell, group)
    setattr(holder, setting, changed(getattr(holder, setting)))
    assert (hash_of(cell) == hash_of(config())) is is_idle


def with_changes(changes: dict[str, Any], before: dict[str, Any] | None = None) -> str:
    cell = config()
    for dotted, value in {**(before or {}), **changes}.items():
        *parents, last = dotted.split(".")
        holder: Any = cell
        for one in parents:
            holder = getattr(holder, one)
        setattr(holder, last, value)
    return hash_of(cell)


@pytest.mark.parametrize(
    ("before", "change", "is_idle"),
    [
        ({"train.max_steps": 9}, {"train.epochs": 7.0}, True),
        ({}, {"train.epochs": 7.0}, False),
        ({"train.keep_best": True}, {"train.evaluations_per_epoch": 3}, False),
        ({}, {"train.evaluations_per_epoch": 3}, True),
        ({"train.schedule": Schedule.constant}, {"train.warmup_share": 0.5}, True),
        ({"train.schedule": Schedule.cosine}, {"train.warmup_share": 0.5}, False),
        ({"quantization.precision": Precision.nf4}, {"quantization.double_quantization": False},
         False),
        ({"quantization.precision": Precision.int8}, {"quantization.double_quantization": False},
         True),
        ({"quantization.precision": Precision.int8}, {"quantization.int8_threshold": 5.0}, False),
        # peft's own defaults, written out.
        ({}, {"peft.options": {"type": "LORA", "r": 16, "lora_alpha": 8}}, False),
        ({"peft.options": {"type": "LORA"}}, {"peft.options": {"type": "lora", "r": 8}}, True),
        ({"peft.options": {"type": "LORA"}},
         {"peft.options": {"type": "LORA", "lora_alpha": 8.0, "bias": "none"}}, True),
        ({"peft.options": {"type": "LORA"}},
         {"peft.options": {"type": "LORA", "bias": "all"}}, False),
        ({"peft.function": "adalora.attach", "peft.options": {}},
         {"peft.options": {"prune_every_steps": 10, "init_r": 12}}, True),
        ({"peft.function": "lora_plus.attach", "peft.options": {"ratio": 16}},
         {"peft.options": {"ratio": 16, "use_dora": False}}, True),
    ],
)  # fmt: skip
def test_settings_count_where_they_are_in_use(
    before: dict[str, Any], change: dict[str, Any], is_idle: bool
) -> None:
    assert (with_changes(change, before) == with_changes(before)) is is_idle


def collection(*files: str, name: str = "one", **values: Any) -> CollectionConfig:
    return CollectionConfig(name=name, files=list(files), **values)


def mixed(*collections: CollectionConfig, files: tuple[str, ...] = ()) -> str:
    named = {one.name: one for one in collections}
    return with_changes({"data.collections": named, "data.files": list(files)})


def test_a_mixture_is_named_by_what_is_read_and_drawn() -> None:
    one, other = collection("/data.json"), collection("/other.json", name="two")
    both = mixed(one, other)
    assert both == mixed(other, one)
    assert both == mixed(collection("/data.json", "/other.json"))
    assert both == mixed(one, files=("/other.json",))
    assert both == mixed(replace(one, name="renamed", languages=["zh"]), other)
    defaults = {"instruction_key": "instruction"}
    assert both == mixed(replace(one, options=defaults), other)
    assert both != mixed(replace(one, options={"instruction_key": "question"}), other)
    assert both != mixed(one)
    drawn = mixed(collection("/data.json", "/other.json", count=3))
    assert drawn != both
    assert drawn == mixed(collection("/other.json", "/data.json", count=3))
    assert drawn != mixed(replace(one, count=3), other)


def test_a_run_is_found_by_its_hash_whatever_its_words(tmp_path: Path) -> None:
    renamed = config()
    renamed.model.name, renamed.data.name = "my_copy", "mine"
    for cell in (renamed, config()):
        cell.runtime.results = str(tmp_path)
    first = identity.named(config_at(tmp_path), identified(config()), tmp_path)
    assert identity.named(renamed, identified(renamed), tmp_path).train_id != first.train_id
    first.directory.mkdir(parents=True)
    again = identity.named(renamed, identified(renamed), tmp_path)
    assert again.train_id == first.train_id
    assert identity.untuned(again).hash == identity.untuned(first).hash


def config_at(results: Path) -> CellConfig:
    cell = config()
    cell.runtime.results = str(results)
    return cell


def test_the_learning_rate_that_is_used_is_the_one_that_names() -> None:
    """A method's own rate makes train.learning_rate idle, so that it may not fork the cell."""
    own, same, idle = config(), config(), config()
    own.peft.learning_rate = 0.5
    same.train.learning_rate = 0.5
    idle.peft.learning_rate, idle.train.learning_rate = 0.5, 0.25
    assert name(own) == name(same) == name(idle) != name(config())


def test_seed_zero_is_a_seed() -> None:
    cell = config()
    cell.seed = 1
    assert name(cell) != name(config())
    assert name(config()).split("-")[-2] == "s0"


def test_a_base_without_method_is_one_cell_whatever_the_data() -> None:
    first, second = config(), config()
    for cell in (first, second):
        cell.peft = PeftConfig(name="none")
    second.seed = 4
    second.train = TrainConfig(name="other", epochs=9)
    second.data = DataConfig(name="other")
    assert name(first) == name(second)
    trained = identity.Cell(config(), "x", identity.train_identity(config(), CONTENTS), None)  # type: ignore[arg-type]
    assert identity.untuned(trained).train_id == name(first)


def test_a_path_without_a_hash_is_refused() -> None:
    with pytest.raises(ConfigError, match="no content hash"):
        name(config(), {})


def test_a_neutral_setting_keeps_old_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "NEUTRAL", {"train.keep_best": False})
    cell = config()
    without = identity.train_identity(cell, CONTENTS)
    assert "keep_best" not in without["train"]
    cell.train.keep_best = True
    assert identity.train_identity(cell, CONTENTS)["train"]["keep_best"] is True


def prediction(**changes: Any) -> str:
    given: dict[str, Any] = {
        "cell": "cell",
        "benchmark": "belle",
        "version": "1",
        "prompts": [("a", "question")],
        "decoding": DecodingConfig(),
        "max_new_tokens": 8,
        "stop": "###",
        "seed": 0,
    }
    return identity.prediction_id(**{**given, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"cell": "other"},
        {"version": "2"},
        {"prompts": [("a", "question?")]},
        {"decoding": DecodingConfig(beams=4)},
        {"max_new_tokens": 9},
        {"stop": "##"},
    ],
)
def test_a_prediction_is_named_by_what_decides_it(change: dict[str, Any]) -> None:
    assert prediction(**change) != prediction()


def test_the_seed_names_a_prediction_only_when_it_is_sampled() -> None:
    assert prediction(seed=1) == prediction()
    sampled = DecodingConfig(sample=True)
    assert prediction(seed=1, decoding=sampled) != prediction(decoding=sampled)


def test_a_judge_renames_the_score_and_not_the_prediction() -> None:
    benchmark = BenchmarkConfig(function="f", path="/x")

    def score(judge: JudgeConfig | None, content: str = "c") -> str:
        return identity.score_id("belle-1", benchmark, content, judge, config().prompt)

    one = score(JudgeConfig(name="a", function="f"))
    assert one.startswith("belle-1-a-")
    assert len({one, score(JudgeConfig(name="a", function="g")), score(None)}) == 3
    assert score(None, "other") != score(None)


def test_what_is_stated_of_a_collection_names_nothing() -> None:
    stated = config()
    collection = stated.data.collections["one"]
    collection.source = SourceConfig(repository="owner/name", files=["data.json"])
    collection.stated_examples = 7
    collection.stated_characters = 100.0
    assert name(stated) == name(config())
