"""A base with a larger vocabulary, as a folder of its own.

Owns: where new pieces come from, the folder it writes, and what it measures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tunegrid.config.errors import ConfigError, DataError
from tunegrid.config.schema import ModelConfig
from tunegrid.store.inputs import locate
from tunegrid.store.run_directory import RunDirectory
from tunegrid.use.whole_folder import refuse_content, whole_or_nothing

STARTS = ("mean", "random", "zero")
REPORT = "expansion.json"
COVERAGE = 0.9995
"""Share of a corpus' characters that become pieces; what sentencepiece advises for Chinese."""


def expand(
    base: ModelConfig,
    pieces: Sequence[str],
    directory: Path,
    *,
    start: str = "mean",
    measured: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a base with further pieces into a folder; return what changed.

    Args:
        base: which base; its path absolute or a repository of the hub.
        pieces: in the order of their importance.
        directory: must not exist, or be empty.
        start: the first values of new rows; one of `STARTS`.
        measured: texts whose characters per token are counted before and after.

    Raises:
        ConfigError: a tokenizer that cannot take them, or a folder that holds something.
        DataError: a measured text that does not come back from its tokens.
    """
    from tunegrid.models.bases.loading import load_tokenizer
    from tunegrid.models.bases.standalone import load_standalone
    from tunegrid.models.bases.vocabulary import expanded, grow

    refuse_content(directory)
    tokenizer = load_tokenizer(base, locate.CURRENT)
    found = expanded(tokenizer, pieces)
    before, after = (_characters_per_token(one, measured) for one in (tokenizer, found.tokenizer))
    model = load_standalone(
        base.path, quantization=None, attention=None, dtype=None, revision=base.revision,
        device="cpu",
    )  # fmt: skip
    rows = model.get_input_embeddings().weight.shape[0]
    grow(model, tokenizer, found, start)
    model.config.use_cache = True
    report = {
        "base": base.name,
        "directory": str(directory),
        "pieces_before": len(tokenizer),
        "pieces_added": len(found.new),
        "pieces_known": found.known,
        "pieces_unused": found.unused,
        "rows_before": rows,
        "rows_after": model.get_input_embeddings().weight.shape[0],
        "start": start,
        "characters_per_token_before": before,
        "characters_per_token_after": after,
    }
    with whole_or_nothing(directory) as unfinished:
        model.save_pretrained(str(unfinished))
        found.tokenizer.save_pretrained(str(unfinished))
        RunDirectory(unfinished).write(REPORT, report)
    return report


def _characters_per_token(tokenizer: Any, texts: Sequence[str]) -> float | None:
    """Return the characters of texts by their tokens; every text must come back."""
    from tunegrid.data.control_tokens import ids_inside

    if not texts:
        return None
    encoded = ids_inside(tokenizer, texts)
    for text, ids in zip(texts, encoded, strict=True):
        back = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        if back.lstrip(" ") != text.lstrip(" ") and tokenizer.unk_token_id not in ids:
            raise DataError(
                f"the text {text[:60]!r} comes back as {back[:60]!r} from its tokens; the pieces "
                "do not fit the tokenizer"
            )
    return sum(map(len, texts)) / max(1, sum(map(len, encoded)))


def pieces_of(file: Path) -> list[str]:
    """Return the pieces of a sentencepiece model that stand for text, the best first.

    Raises:
        DataError: the file is none.
    """
    from sentencepiece import SentencePieceProcessor

    if not file.is_file():
        raise DataError(f"there is no file {file}; give a sentencepiece model (tokenizer.model)")
    try:
        model = SentencePieceProcessor(model_file=str(file))
    except (RuntimeError, OSError) as error:
        raise DataError(
            f"{file} is no sentencepiece model ({error}); give the tokenizer.model that holds "
            "the pieces"
        ) from error
    numbers = [
        number
        for number in range(model.get_piece_size())
        if not (model.is_control(number) or model.is_unknown(number) or model.is_byte(number))
    ]
    # Ids are not always in the order of the scores.
    numbers.sort(key=lambda number: -model.get_score(number))
    return [model.id_to_piece(number) for number in numbers]


def trained_pieces(corpus: Path, number: int) -> list[str]:
    """Return the pieces of a byte-pair model that is trained on a text file, a sentence a line.

    Raises:
        DataError: no such file, or too little text for so many pieces.
    """
    from sentencepiece import SentencePieceTrainer

    if not corpus.is_file():
        raise DataError(f"there is no file {corpus}; give a text file, a sentence a line")
    with tempfile.TemporaryDirectory() as folder:
        try:
            SentencePieceTrainer.train(
                input=str(corpus),
                model_prefix=f"{folder}/pieces",
                model_type="bpe",
                vocab_size=number,
                character_coverage=COVERAGE,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise DataError(f"no {number:,} pieces can be trained on {corpus}: {error}") from error
        return pieces_of(Path(folder) / "pieces.model")


def texts_of(file: Path) -> list[str]:
    """Return the texts of an instruction file, or the lines of a .txt file."""
    from tunegrid.data.readers import instructions

    if not file.is_file():
        raise DataError(f"there is no file {file}; give an instruction file or a .txt file")
    if file.suffix == ".txt":
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    found: Iterable[str] = (
        text
        for example in instructions.read(file).examples
        for text in (example.instruction, example.input, example.output)
    )
    return [text for text in found if text]


def refuse_start(start: str) -> None:
    """Refuse a word that is none of `STARTS`.

    Raises:
        ConfigError: it is none.
    """
    if start not in STARTS:
        raise ConfigError(f"--init is {start!r}; accepted: {', '.join(STARTS)}")
