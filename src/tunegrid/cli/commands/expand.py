"""`tunegrid expand-vocab`: a base with a larger vocabulary.

Owns: that command's arguments and what it prints.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tunegrid.cli.output import print_json
from tunegrid.config.errors import ConfigError
from tunegrid.config.project import project_directory
from tunegrid.config.schema import ModelConfig


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command to the command line's grammar."""
    one = command(
        "expand-vocab", expand_vocab, "write a base with further pieces in its vocabulary"
    )
    one.add_argument("base", help="a file of conf/model without .yaml, a directory, or a hub id")
    source = one.add_mutually_exclusive_group(required=True)
    source.add_argument("--sentencepiece", type=Path, help="a model whose pieces are added")
    source.add_argument("--corpus", type=Path, help="a text file to train pieces on")
    one.add_argument("--pieces", type=int, default=20_000, help="how many to train on --corpus")
    one.add_argument("--out", type=Path, required=True, help="the folder to write, a new one")
    one.add_argument(
        "--init", default="mean", help="first values of new rows: mean (of the old pieces that "
        "a new one was made of), random or zero",
    )  # fmt: skip
    one.add_argument(
        "--measure", type=Path, help="an instruction or .txt file whose characters per token are "
        "counted before and after",
    )  # fmt: skip


def expand_vocab(options: argparse.Namespace) -> int:
    """Write the base and print what changed."""
    from tunegrid.use import expand_vocabulary as expanding

    expanding.refuse_start(options.init)
    base = _base(options.base)
    measured = [] if options.measure is None else expanding.texts_of(options.measure)
    if options.sentencepiece is not None:
        pieces = expanding.pieces_of(options.sentencepiece)
    else:
        print(f"training {options.pieces:,} pieces on {options.corpus}", file=sys.stderr)
        pieces = expanding.trained_pieces(options.corpus, options.pieces)
    report = expanding.expand(base, pieces, options.out, start=options.init, measured=measured)
    if options.json:
        print_json([report])
    else:
        _print(report)
    print(
        f"Next: python run.py model=path model.path={options.out} peft=full "
        "train.objective=language_modeling data=raw_text data.collections.text.files=[<raw text>]",
        file=sys.stderr,
    )
    return 0


def _print(report: dict[str, object]) -> None:
    print(
        f"{report['pieces_added']:,} pieces added to {report['pieces_before']:,}; "
        f"{report['pieces_known']:,} were there, {report['pieces_unused']:,} are never made\n"
        f"rows of the embeddings: {report['rows_before']:,} to {report['rows_after']:,}, new ones "
        f"by {report['start']}"
    )
    before, after = (report[f"characters_per_token_{when}"] for when in ("before", "after"))
    if isinstance(before, float) and isinstance(after, float):
        print(f"characters per token: {before:.3f} to {after:.3f} ({after / before:.2f} times)")
    print(report["directory"])


def _base(word: str) -> ModelConfig:
    """Return the base that a word names."""
    from omegaconf.errors import OmegaConfBaseException

    from tunegrid.config.compose.typed import model_and_method
    from tunegrid.models.bases import unnamed
    from tunegrid.store.inputs import locate

    conf = project_directory() / "conf"
    places = (Path.cwd(), project_directory())
    if (conf / "model" / f"{word}.yaml").is_file():
        try:
            base = model_and_method(conf, word, "none").model
        except OmegaConfBaseException as error:
            raise ConfigError(f"conf/model/{word}.yaml: {error}") from error
    else:
        base = ModelConfig(path=word, **unnamed.reader(places)(word, None))
    found = locate.find(base.path, places)
    if found is not None:
        base.path = str(found)
    return base
