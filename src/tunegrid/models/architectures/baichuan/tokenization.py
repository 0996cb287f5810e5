"""The tokenizer of Baichuan-7B and 13B: its sentencepiece file, with nothing around a text."""

from __future__ import annotations

from typing import Any

from tunegrid.models.architectures.sentencepiece_text import SentencePieceText

FILE = "tokenizer.model"


class BaichuanTokenizer(SentencePieceText):
    """No token in front of a text; padding is <unk>, 0."""

    vocab_files_names = {"vocab_file": FILE}  # noqa: RUF012 - the form transformers reads

    def __init__(self, vocab_file: str, **kwargs: Any) -> None:
        tokens = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
        super().__init__(**tokens | {"pad_token": "<unk>"} | kwargs | {"vocab_file": vocab_file})
