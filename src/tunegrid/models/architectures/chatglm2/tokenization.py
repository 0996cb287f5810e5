"""The tokenizer of ChatGLM2-6B: five ids behind its sentencepiece file, `[gMASK] sop` in front.

Owns: these five ids. The original recognises no special token inside a text, and so does this.
"""

from __future__ import annotations

from typing import Any

from tunegrid.models.architectures.sentencepiece_text import SentencePieceText

FILE = "tokenizer.model"
BEHIND = ("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop")
"""In the order of their ids, the first of which is the number of pieces."""


class ChatGLM2Tokenizer(SentencePieceText):
    """`[gMASK] sop` stands in front of a text; </s> ends an answer; padding is <unk>, 0."""

    vocab_files_names = {"vocab_file": FILE}  # noqa: RUF012 - the form transformers reads

    def __init__(self, vocab_file: str, **kwargs: Any) -> None:
        tokens = {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<unk>"}
        super().__init__(**tokens | kwargs | {"vocab_file": vocab_file})

    @property
    def vocab_size(self) -> int:
        """The pieces and the five ids behind them."""
        return self.sp_model.get_piece_size() + len(BEHIND)

    def _convert_id_to_token(self, index: int) -> str:
        own = index - self.sp_model.get_piece_size()
        if 0 <= own < len(BEHIND):
            return BEHIND[own]
        token: str = super()._convert_id_to_token(index)
        return token

    def _convert_token_to_id(self, token: str) -> int:
        if token in BEHIND:
            return int(self.sp_model.get_piece_size()) + BEHIND.index(token)
        found: int = super()._convert_token_to_id(token)
        return found

    def tokenize(  # type: ignore[override]
        self, text: str, **kwargs: Any
    ) -> list[str]:
        """Return the pieces of a text, whatever it looks like."""
        return self._tokenize(text)

    def front(self) -> list[int]:
        """Return [gMASK] and sop."""
        return [self._convert_token_to_id("[gMASK]"), self._convert_token_to_id("sop")]

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return [gMASK] sop text, and for two texts the second with </s>."""
        whole = [*self.front(), *token_ids_0]
        return whole if token_ids_1 is None else [*whole, *token_ids_1, self.eos_token_id]
