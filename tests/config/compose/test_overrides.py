"""Misspelled words on the command line are refused with the nearest name, also behind a +."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunegrid.config.compose.overrides import checked
from tunegrid.config.compose.typed import composed_groups
from tunegrid.config.errors import ConfigError


@pytest.fixture
def conf(project: Path) -> Path:
    return project / "conf"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("train.lerning_rate=1", "'learning_rate'"),
        ("+train.lerning_rate=1", "'learning_rate'"),
        ("++train.lerning_rate=1", "'learning_rate'"),
        ("~train.lerning_rate", "'learning_rate'"),
        ("sede=1", "'seed'"),
        ("train.epochs.more=1", "'more'"),
        ("runtime.divice=cpu", "'device'"),
        ("eval.benchmarks.belle.pth=x", "'path'"),
        ("data.collections.any.cout=3", "'count'"),
        ("model=mini_lama", "'mini_llama'"),
        ("+model=mini_lama", "'mini_llama'"),
        ("peft=[lora,none]", "-m peft=lora,none"),
        ("~peft", "choose another one"),
        ("eval.belle.path=x", "write eval.benchmarks.belle.path=x"),
        ("+eval.mmcu=null", "write +eval.benchmarks.mmcu=null"),
        ("eval.others.own.path=x", "write eval.benchmarks.own.path=x"),
        ("judge.options={api_key: sk-1}", "read from the environment"),
        ("train.epochs=[1", "cannot be read"),
    ],
)
def test_refused(conf: Path, word: str, expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked([word], conf)
    assert expected in str(refused.value)


def test_all_problems_at_once(conf: Path) -> None:
    with pytest.raises(ConfigError, match="2 problems"):
        checked(["sede=1", "seed=1", "+train.epoch=2"], conf)


@pytest.mark.parametrize(
    "words",
    [
        ["seed=3", "train.epochs=2", "peft=none"],
        ["-m", "seed=0,1,2", "peft=lora,none"],
        ["hydra.run.dir=x", "hydra/launcher=basic"],
        ["--cfg", "job", "train.epochs=2"],
        ["-cn", "whatever", "data.files=[a.json,b.json]"],
        ["eval.limit=5", "eval.decoding.beams=4"],
    ],
)
def test_accepted_as_it_is(conf: Path, words: list[str]) -> None:
    assert checked(words, conf) == words


def test_an_option_of_a_function_needs_no_plus(conf: Path) -> None:
    assert checked(["peft.options.r=4"], conf) == ["++peft.options.r=4"]
    assert checked(["data.collections.x.count=4"], conf) == ["++data.collections.x.count=4"]


def test_flags_may_stand_anywhere(conf: Path) -> None:
    assert checked(["seed=1", "-m", "peft=lora,none"], conf) == ["-m", "seed=1", "peft=lora,none"]


def test_a_choice_of_an_added_directory_is_known(conf: Path, tmp_path: Path) -> None:
    (tmp_path / "peft").mkdir()
    (tmp_path / "peft" / "mine.yaml").write_text("name: mine\n")
    words = ["-cd", str(tmp_path), "peft=mine"]
    assert checked(words, conf) == words
    assert checked([f"--config-dir={tmp_path}", "peft=mine"], conf)[1] == "peft=mine"
    with pytest.raises(ConfigError, match="no choice 'mine'"):
        checked(words[2:], conf)


def test_a_key_on_the_command_line_is_refused_and_not_repeated(project: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(["judge.options.api_key=sk-0123"], project / "conf")
    assert "sk-0123" not in str(caught.value)
    assert "OPENAI_API_KEY" in str(caught.value)
    checked(["judge=openai", "judge.options.key_variable=MY_KEY"], project / "conf")


@pytest.mark.parametrize("name", ["a,b.json", "a=b.json", "中文 文件.json", "[x].json"])
def test_any_name_of_a_file_can_be_given_in_quotes(project: Path, name: str) -> None:
    config = composed_groups(["data=files", f"data.files=['{name}']"], project, ("data",))
    assert config.data.files == [name]


@pytest.mark.parametrize("word", ["data.files=[中文.json]", "data.files=[a=b.json]"])
def test_a_name_without_the_quotes_it_needs_is_refused_with_them(conf: Path, word: str) -> None:
    with pytest.raises(ConfigError, match=r"once for Hydra: \"data\.files=\['中文\.json'\]\""):
        checked([word], conf)
