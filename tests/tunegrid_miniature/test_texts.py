"""Pretraining knows every asked fact and no instruction; collections tell no asked fact."""

from functools import cache
from pathlib import Path

import pytest

from tunegrid_miniature.assets import SEED, pretraining_documents, write_texts, write_tokenizer
from tunegrid_miniature.documents import FORBIDDEN
from tunegrid_miniature.holdout import Split, tells
from tunegrid_miniature.instructions import EXAM_HEADER, build_collections
from tunegrid_miniature.phrases import ASK, SAY
from tunegrid_miniature.world import Fact, World, build_world

# Attributes that the tasks ask beside the world's own.
TASK_ATTRIBUTES = {"kind", "english", "gave", "sum", "told", "code"}


@cache
def pretraining_texts() -> tuple[str, ...]:
    return tuple(pretraining_documents(build_world(SEED)))


def test_pretraining_never_shows_an_instruction_format() -> None:
    text = "\n".join(pretraining_texts())
    assert [words for words in FORBIDDEN if words in text] == []
    for words in ("### Instruction", "### Response", "### 指令", "Below is an instruction"):
        assert words not in text
    assert EXAM_HEADER not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pretraining_states_every_world_fact_in_several_forms(world: World, language: str) -> None:
    text = "\n".join(pretraining_texts())
    for fact in world.facts:
        name, value = fact.entity.name.text(language), fact.value_text(language)
        forms = [p.format(e=name, v=value) for p in SAY[language][fact.attribute].split("|")]
        found = [form for form in forms if form in text]
        assert len(found) >= 3, (fact.key, found)


def test_every_attribute_is_asked_in_several_forms() -> None:
    assert all(len(forms.split("|")) >= 3 for forms in ASK["zh"].values())
    assert all(len(forms.split("|")) >= 2 for forms in ASK["en"].values())


def test_no_collection_example_tells_an_asked_fact(
    world: World, split: Split, asked: tuple[Fact, ...]
) -> None:
    told = []
    for name, records in build_collections(world, split, asked).items():
        for record in records:
            text = "\n".join(record.values())
            told += [(name, record["instruction"], fact.key) for fact in asked if tells(text, fact)]
    assert told == []


def test_asked_facts_of_the_world_are_the_held_out_ones(
    world: World, split: Split, asked: tuple[Fact, ...]
) -> None:
    keys = {fact.key for fact in asked if fact.attribute not in TASK_ATTRIBUTES}
    assert keys
    assert keys <= {fact.key for fact in split.held_out}
    assert not keys & {fact.key for fact in split.taught}


def test_tells_needs_entity_and_value(asked: tuple[Fact, ...]) -> None:
    fact = asked[0]
    name, value = fact.entity.name, fact.values[0]
    assert tells(f"{name.zh}……{value.en}", fact)
    assert not tells(name.zh, fact)
    assert not tells(value.zh, fact)


def test_committed_texts_are_what_the_generator_writes(assets: Path, tmp_path: Path) -> None:
    write_texts(build_world(SEED), tmp_path)
    written = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert len(written) == 5 + 2 + 10
    different = [p for p in written if (tmp_path / p).read_bytes() != (assets / p).read_bytes()]
    assert different == []


def test_committed_tokenizers_are_what_the_generator_trains(
    world: World, assets: Path, tmp_path: Path
) -> None:
    write_tokenizer(world, list(pretraining_texts()), tmp_path)
    for name in ("llama/tokenizer.json", "bloom/tokenizer.json", "bloom/tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (assets / name).read_bytes(), name
