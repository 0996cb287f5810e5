"""Pretraining knows every fact and no instruction."""

from functools import cache

import pytest

from tunegrid_miniature.assets import SEED, pretraining_documents
from tunegrid_miniature.documents import FORBIDDEN
from tunegrid_miniature.instructions import EXAM_HEADER
from tunegrid_miniature.phrases import SAY
from tunegrid_miniature.world import World, build_world


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
