"""The tokenizer of InternLM-7B, version 1: its sentencepiece file, with <s> in front."""

from __future__ import annotations

from typing import Any

from tunegrid.models.architectures.sentencepiece_text import SentencePieceText

FILE = "tokenizer.model"


class InternLMTokenizer(SentencePieceText):
    """<s> in front of a text; padding is </s>, 2."""

    vocab_files_names = {"vocab_file": FILE}  # noqa: RUF012 - the form transformers reads

    def __init__(self, vocab_file: str, **kwargs: Any) -> None:
        tokens = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
        super().__init__(**tokens | {"pad_token": "</s>"} | kwargs | {"vocab_file": vocab_file})

    def front(self) -> list[int]:
        """Return <s>."""
        return [self.bos_token_id]
