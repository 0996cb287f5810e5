"""Tokenizers that ask sentencepiece itself, for bases whose file no conversion reads rightly.

Owns: encoding and decoding by a `.model` file. Knows no special layout of a base.

Transformers 5.23 turns such files into merges in the order of their pieces. In InternLM's they are
not ordered by score: 264 of 3,924 lines of README files became other ids, silently. Its own
sentencepiece class encodes rightly, but decodes neither bytes nor leading spaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

from tunegrid.config.errors import ConfigError

_LIKE_CONTROL = re.compile(r"<[^<>\s]+>|\[[A-Za-z0-9_]+\]")
PROBES = (
    "Hello, world! 1234567890",
    "  two  spaces\n\tand a tab\n\n",
    "指令微调的大型语言模型，中文。",
    "naïve café — “quotes” … ½ №",
    "def f(x):\n    return x ** 2  # 注释",
    "emoji 🦊 and \u0000 and \ufffd",
)
"""Texts on which a loaded tokenizer is compared with its file."""


class SentencePieceText(SentencePieceBackend):
    """A tokenizer whose ids are those of its sentencepiece file."""

    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012 - transformers' form

    written_pieces: tuple[str, ...] = ()
    """Patterns of what `pieces_of` writes into a text; in a text itself they are no such pieces."""

    @cached_property
    def control_pieces(self) -> dict[str, int]:
        """Control tokens of the file, by their spelling: sentencepiece finds some in any text."""
        model, found = self.sp_model, {}
        for number in range(model.get_piece_size()):
            piece = model.id_to_piece(number)
            # User-defined pieces are found in any text; those that are runs of blanks are text.
            is_found = _LIKE_CONTROL.fullmatch(piece) and number in model.encode(piece)
            if model.is_control(number) or is_found:
                found[piece] = number
        return {one: number for one, number in found.items() if not self._written.fullmatch(one)}

    def pieces_of(self, text: str) -> str:
        """Return the text as it is handed to sentencepiece."""
        return text

    def text_of(self, pieces: str) -> str:
        """Return the text that sentencepiece's decoding stands for."""
        return pieces

    def front(self) -> list[int]:
        """Return the ids in front of a text."""
        return []

    def back(self) -> list[int]:
        """Return the ids behind a text."""
        return []

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return the ids of one text, or of two, with what opens and closes them."""
        return [*self.front(), *token_ids_0, *self.back(), *(token_ids_1 or [])]

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        return self.sp_model.encode(self.pieces_of(text), out_type=str)  # type: ignore[no-any-return]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Return the text of pieces, bytes decoded."""
        return self.text_of(self.sp_model.decode_pieces(tokens))

    def _decode(  # type: ignore[override]
        self,
        token_ids: int | Sequence[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> str:
        """Return the text of ids. Special tokens are left out, or stand there by name."""
        ids = [int(token_ids)] if isinstance(token_ids, int) else [int(one) for one in token_ids]
        special = set(self.all_special_ids)
        parts: list[str] = []
        plain: list[int] = []
        for token in ids:
            if token not in special:
                plain.append(token)
                continue
            if not skip_special_tokens:
                parts += [self._plain_text(plain), str(self.convert_ids_to_tokens(token))]
                plain = []
        return "".join([*parts, self._plain_text(plain)])

    def _plain_text(self, ids: list[int]) -> str:
        # An id above the pieces is no text: embeddings are often larger than the vocabulary.
        known = [token for token in ids if token < self.sp_model.get_piece_size()]
        if not known:
            return ""
        if not self.written_pieces:
            return self.text_of(self.sp_model.decode(known))
        # One by one: a spelling that was cut into other pieces is text where they join again.
        texts: list[str] = []
        run: list[int] = []
        for token in known:
            piece = self.sp_model.id_to_piece(token)
            if self._written.fullmatch(piece):
                texts += [self._run_text(run, is_first=not texts), self.text_of(piece)]
                run = []
            else:
                run.append(token)
        return "".join([*texts, self._run_text(run, is_first=not texts)])

    def _run_text(self, ids: list[int], *, is_first: bool) -> str:
        """Return the text of ordinary pieces; only the first of a text lose the blank in front."""
        if is_first or not ids:
            return str(self.sp_model.decode(ids)) if ids else ""
        return str(self.sp_model.decode([*self.sp_model.encode("a"), *ids])).removeprefix("a")

    @cached_property
    def _written(self) -> re.Pattern[str]:
        return re.compile("|".join(self.written_pieces) or "(?!)")


def checked(tokenizer: SentencePieceText, path: str) -> SentencePieceText:
    """Return the tokenizer, whose ids and texts are those of its file on every probe.

    Args:
        tokenizer: as it was loaded.
        path: of its file, for messages.

    Raises:
        ConfigError: other ids, or a text that does not come back.

    """
    probes = {text: tokenizer.pieces_of(text) for text in PROBES}
    _refuse_other_ids(tokenizer, tokenizer.sp_model, probes, path)
    return tokenizer


def refuse_converted_wrongly(tokenizer: Any, file: str, path: str) -> None:
    """Raise where a converted tokenizer gives other ids than the sentencepiece file beside it.

    Texts that begin with a blank are not compared: transformers' Llama puts one blank less in front
    of them than the file says, and bases were trained with either.

    Args:
        tokenizer: as transformers made it.
        file: path of the sentencepiece model.
        path: of the base, for messages.

    Raises:
        ConfigError: other ids for one of the probes.

    """
    from sentencepiece import SentencePieceProcessor

    model = SentencePieceProcessor(model_file=file)
    probes = {text: text for text in PROBES if not text.startswith(" ")}
    _refuse_other_ids(tokenizer, model, probes, path)


def _refuse_other_ids(tokenizer: Any, model: Any, probes: Mapping[str, str], path: str) -> None:
    """Raise where ids differ; `probes` holds by text what sentencepiece is given for it."""
    different = [
        text
        for text, given in probes.items()
        if tokenizer(text, add_special_tokens=False)["input_ids"] != model.encode(given)
    ]
    if different:
        raise ConfigError(
            f"the tokenizer of {path!r} gives other ids than its own sentencepiece file for "
            f"{', '.join(map(repr, different))}; a base would read another language; put the "
            "tokenizer.json of its authors beside the file, or correct model.architecture"
        )
