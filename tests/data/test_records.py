"""The form of a file is found by its content, never by its name."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from tunegrid.data import records
from tunegrid.data.records import is_header

FORMS = {
    "JSON array": '[{"prompt": "p", "completion": "c"}]',
    "JSON lines": '{"prompt": "p", "completion": "c"}\n',
    "JSON array in 'rows'": '{"rows": [{"prompt": "p", "completion": "c"}]}',
    "CSV": "prompt,completion\np,c\n",
    "TSV": "prompt\tcompletion\np\tc\n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.tsv", "a.parquet", "a"])
def test_the_name_changes_nothing(tmp_path: Path, form: str, name: str) -> None:
    (tmp_path / name).write_text(FORMS[form], encoding="utf-8")
    found = records.read(tmp_path / name)
    assert found.form == form
    assert [record.value for record in found.rows] == [{"prompt": "p", "completion": "c"}]
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(FORMS[form].encode()))
    assert records.read(packed).form == f"{form} in gzip"


def test_a_first_row_of_data_is_no_header() -> None:
    assert is_header(("department", "title", "ask", "answer"))
    assert not is_header(("Natalia sold clips to 48 of her friends.", "72", "Natalia sold"))
    assert not is_header(("a", "a"))
    assert not is_header(("alone",))


@pytest.mark.parametrize("form", ["array", "lines", "wrapped", "csv"])
def test_memory_stays_flat(tmp_path: Path, form: str) -> None:
    """40 MB are read in less than 12 MB, whatever holds the records."""
    record = json.dumps({"prompt": "p" * 100, "completion": "c" * 1900})
    path = tmp_path / "a"
    with path.open("w", encoding="utf-8") as file:
        file.write(
            {"array": "[", "wrapped": '{"data": [', "csv": "prompt,completion\n"}.get(form, "")
        )
        for number in range(20_000):
            comma = "," if number and form in ("array", "wrapped") else ""
            file.write("p," + "c" * 2000 + "\n" if form == "csv" else f"{comma}{record}\n")
        file.write({"array": "]", "wrapped": "]}"}.get(form, ""))
    tracemalloc.start()
    count = sum(1 for _ in records.read(path).rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 12 * 2**20
