"""The size of a base from its numbers is near what the skeleton counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tunegrid.config.project import project_directory
from tunegrid.models.bases.size import estimated_parameters

MODELS = project_directory() / "conf" / "model"


@pytest.mark.parametrize(
    ("name", "billions"), [("bloom_7b1", 7.07), ("llama_7b", 6.74), ("moss_base", 16.7)]
)
def test_bases_of_the_study(name: str, billions: float) -> None:
    model = yaml.safe_load((MODELS / f"{name}.yaml").read_text())
    assert estimated_parameters(model) == pytest.approx(billions * 1e9, rel=0.25)


@pytest.mark.parametrize("name", ["mini_llama", "mini_bloom"])
def test_the_miniatures_are_small(name: str) -> None:
    model = yaml.safe_load((MODELS / f"{name}.yaml").read_text())
    model["path"] = str(project_directory() / model["path"])
    counted = estimated_parameters(model)
    assert counted is not None
    assert counted < 20_000_000


def test_a_config_counts_before_what_is_stated_and_may_be_nested(tmp_path: Path) -> None:
    inside = {"hidden_size": 10, "num_hidden_layers": 1, "vocab_size": 7, "num_experts": 2,
              "intermediate_size": 5}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps({"text_config": inside}))
    stated = {"hidden_size": 9999, "n_layer": 9, "vocab_size": 9}
    model = {"path": str(tmp_path), "architecture_config": stated}
    assert estimated_parameters(model) == 4 * 100 + 2 * 3 * 50 + 70


@pytest.mark.parametrize("text", ["", "[1]", "{}"])
def test_what_says_nothing_has_no_size(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert estimated_parameters({"path": str(tmp_path)}) is None
    assert estimated_parameters({"path": "nobody/nothing", "revision": None}) is None
