"""Writes the MMCU-like workbooks, the same bytes each time.

openpyxl stamps the present time into the document properties and the archive, so both are set
to a fixed one here.
"""

import io
import zipfile
from datetime import datetime
from pathlib import Path

from openpyxl import Workbook, load_workbook

HEADER = ("题目", "A", "B", "C", "D", "答案")
FIXED_TIME = datetime(2024, 1, 1)
Row = tuple[str, ...]


def _fixed_archive(content: bytes) -> bytes:
    """Return the archive with sorted members, one timestamp and no compression differences."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        # Stored, not deflated: zlib builds differ in their output.
        zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name in sorted(source.namelist()):
            entry = zipfile.ZipInfo(name, FIXED_TIME.timetuple()[:6])
            entry.create_system = 3
            archive.writestr(entry, _fixed_properties(name, source.read(name)))
    return target.getvalue()


def _fixed_properties(name: str, content: bytes) -> bytes:
    """Return a member's bytes; saving overwrites the modification time, so it is put back."""
    if name != "docProps/core.xml":
        return content
    text = content.decode("utf-8")
    head, opening, rest = text.partition("<dcterms:modified")
    attributes, bracket, tail = rest.partition(">")
    _, closing, end = tail.partition("</dcterms:modified>")
    stamp = FIXED_TIME.strftime("%Y-%m-%dT%H:%M:%SZ")
    return (head + opening + attributes + bracket + stamp + closing + end).encode("utf-8")


def write_workbook(path: Path, sheets: dict[str, list[Row]]) -> None:
    """Write one workbook: a header row, then question, options and answer in each row."""
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    workbook.properties.creator = "tunegrid"
    workbook.properties.created = FIXED_TIME
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        sheet.append(HEADER)
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    workbook.save(buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_fixed_archive(buffer.getvalue()))


def read_workbook(path: Path) -> dict[str, list[Row]]:
    """Return the rows below the header by sheet name."""
    workbook = load_workbook(path, read_only=True)
    return {
        sheet.title: [tuple(str(cell) for cell in row) for row in sheet.values][1:]
        for sheet in workbook.worksheets
    }
