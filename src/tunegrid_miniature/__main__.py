"""``python -m tunegrid_miniature``: rebuilds ``assets/miniature``.

Texts and tokenizer come out the same on every machine, weights the same on the same machine.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tunegrid_miniature.assets import (
    SEED,
    pretraining_documents,
    write_manifest,
    write_texts,
    write_tokenizer,
)
from tunegrid_miniature.world import build_world


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tunegrid_miniature",
        description="Rebuild the miniature: texts and tokenizer in seconds, both bases in "
        "about 20 minutes on two idle cores.",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("assets/miniature"),
        help="folder to write into (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        choices=("texts", "bases"),
        help="texts: collections, benchmarks and tokenizer; bases: the two models",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Rebuild what was asked for and return the exit code."""
    arguments = _arguments(argv)
    output: Path = arguments.output
    if output.exists() and not output.is_dir():
        print(f"error: {output} is a file; --output takes a folder", file=sys.stderr)
        return 2
    world = build_world(SEED)
    entries: dict[str, Any] = {}
    progress = tqdm(total=2, desc="texts and tokenizer", disable=arguments.only == "bases")
    if arguments.only != "bases":
        entries["counts"] = write_texts(world, output)
        progress.update()
    texts = pretraining_documents(world)
    tokenizer = write_tokenizer(world, texts, output)
    progress.update()
    progress.close()
    if arguments.only != "texts":
        # Imported here: the texts alone need no torch.
        from tunegrid_miniature.bases import pretrain_all

        encoded = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        entries["bases"] = pretrain_all(encoded, output, SEED)
    write_manifest(output, entries)
    return 0


if __name__ == "__main__":
    sys.exit(main())
