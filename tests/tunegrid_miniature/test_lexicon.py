"""The words of the world: enough of them, in both languages, and none that is an exam's letter."""

from collections import Counter

import pytest

from tunegrid_miniature import lexicon

PAIRS = {name: [pair.split("/") for pair in text.split()] for name, text in lexicon.DOMAINS.items()}


@pytest.mark.parametrize("domain", PAIRS)
def test_every_value_has_two_languages_and_stands_once(domain: str) -> None:
    assert len(PAIRS[domain]) >= 4, "an exam needs four candidates"
    assert all(len(pair) == 2 and all(pair) for pair in PAIRS[domain])
    for language in (0, 1):
        counted = Counter(pair[language] for pair in PAIRS[domain])
        assert max(counted.values()) == 1


def test_no_english_word_begins_with_an_exam_letter() -> None:
    words = [english for pairs in PAIRS.values() for _, english in pairs]
    words += lexicon.ENGLISH_HEADS.split()
    assert len(words) > 100
    assert [word for word in words if word[0] in "ABCD"] == []


@pytest.mark.parametrize("kind", lexicon.KINDS)
def test_there_are_names_for_all_entities_of_a_kind(kind: str) -> None:
    first, second, _ = lexicon.CHINESE_PARTS[kind]
    wanted = lexicon.KINDS[kind][2]
    assert len(set(first)) * len(set(second)) >= wanted
    if kind == "offence":
        assert set(first + second) <= set(lexicon.OFFENCE_ENGLISH)
    else:
        heads, endings = lexicon.ENGLISH_HEADS.split(), lexicon.ENGLISH_ENDINGS[kind].split()
        assert len(set(heads)) * len(set(endings)) >= wanted


def test_kinds_are_named_in_both_languages() -> None:
    assert lexicon.kind_word("herb", "zh") == "药草"
    assert lexicon.kind_word("herb", "en") == "herb"


def test_labels_of_a_set_are_different() -> None:
    assert lexicon.LABEL_SETS
    for labels in lexicon.LABEL_SETS:
        assert len(labels) >= 6
        assert len(set(labels)) == len(labels)
