"""The manifest names every file with its hash, and the folder stays small."""

import hashlib
import json
from pathlib import Path

from tunegrid_miniature.__main__ import main
from tunegrid_miniature.assets import SEED


def test_manifest_covers_every_file(assets: Path) -> None:
    manifest = json.loads((assets / "manifest.json").read_text(encoding="utf-8"))
    files = {p for p in assets.rglob("*") if p.is_file() and p.name != "manifest.json"}
    assert set(manifest["sha256"]) == {p.relative_to(assets).as_posix() for p in files}
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((assets / name).read_bytes()).hexdigest() == digest, name
    assert manifest["seed"] == SEED
    assert manifest["license"] == "Apache-2.0"
    assert set(manifest["bases"]) == {"llama", "bloom"}
    assert sum(p.stat().st_size for p in files) < 14e6


def test_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("", encoding="utf-8")
    assert main(["--output", str(taken)]) == 2
