"""What is committed is what the generator writes."""

from functools import cache
from pathlib import Path

from tunegrid_miniature.assets import SEED, pretraining_documents, write_texts, write_tokenizer
from tunegrid_miniature.world import World, build_world


@cache
def pretraining_texts() -> tuple[str, ...]:
    return tuple(pretraining_documents(build_world(SEED)))


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
