r"""The files MMCU comes in: its authors' workbooks and the study's flat JSON.

Owns: finding the questions, their options and answers as texts, and where each stands. Knows
nothing of prompts, extraction or scores.

The authors give out a folder with `test/<subject>.xlsx`: 法律, 心理, 教育_化学 and seven further
教育_*, and 医疗 with one sheet a subject ("临床医学101题"). A header row (read by
`columns`), then for instance

    | 题目                   | A    | B    | C    | D    | 答案 |
    | 人体最大的器官是（）   | 心脏 | 肝脏 | 皮肤 | 肺   | C    |

The study's repository has them as one JSON array:

    [{"类别": "心理", "题目": "…", "选项": "A:家庭\nB:大学\\nC:杂志\\nD:意识", "答案": "D"}]
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunegrid.config.errors import DataError
from tunegrid.config.fingerprint import canonical_json, file_sha256, text_sha256
from tunegrid.data.json_records import RepeatedKeys, read_records
from tunegrid.evaluation.benchmarks.mmcu.columns import columns

DISCIPLINES = {"医疗": "medicine", "法律": "law", "心理": "psychology", "教育": "education"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

ORIGIN = (
    "MMCU (11,845 questions, licence CC BY-NC-SA 4.0) is given out by its authors on request "
    "(github.com/Felixgithub2017/MMCU) as a folder with test/*.xlsx; name your copy with "
    "eval.benchmarks.mmcu.path=<folder>, or a JSON file of the study's form"
)

_LABELLED_LINE = re.compile(r"^\s*([A-ZＡ-Ｚ])\s*[:：.．、]", re.MULTILINE)
_FULL_WIDTH = {ord("Ａ") + i: letter for i, letter in enumerate(LETTERS)}


@dataclass(frozen=True)
class Question:
    """One question as it stands in a file.

    `options` is "A:…", a line each; `letters` those that can be answered. `number` counts the
    questions of a sheet or of a JSON file from 1, `where` names the place for a message.
    """

    discipline: str
    subject: str | None
    number: int
    where: str
    text: str
    options: str
    letters: str
    answer: str


def read_questions(path: Path) -> tuple[list[Question], str]:
    """Return the questions, by discipline, subject and row, and the hash of the files.

    Raises:
        DataError: nothing that is MMCU lies there, or a file of it cannot be read.

    """
    if path.is_dir():
        folder = path / "test" if (path / "test").is_dir() else path
        workbooks = sorted(f for f in folder.glob("*.xlsx") if not f.name.startswith(("~$", ".")))
        flat = [f for f in (path / "test.json", folder / "test.json") if f.is_file()]
        if workbooks and flat:
            raise DataError(
                f"{path} holds workbooks and {flat[0].name}; name one of them: {folder} or "
                f"{flat[0]}"
            )
        if workbooks:
            return _from_workbooks(workbooks)
        if not flat:
            raise DataError(f"{path} holds neither test/*.xlsx nor test.json. {ORIGIN}")
        path = flat[0]
    if not path.is_file():
        raise DataError(f"{path} does not exist. {ORIGIN}")
    if path.suffix == ".xlsx":
        return _from_workbooks([path])
    return list(_from_json(path)), file_sha256(path)


def read_shots(path: Path, shots: int) -> dict[tuple[str, str | None], list[Question]]:
    """Return the first questions of each dev file, by discipline and subject.

    As the authors do it, the subjects of medicine share the first sheet of their file, under
    ("medicine", None).

    Args:
        path: the folder of MMCU, with dev/<subject>.xlsx.
        shots: how many of each.

    Raises:
        DataError: no dev folder, or a file of it with fewer questions.

    """
    folder = path / "dev"
    workbooks = sorted(f for f in folder.glob("*.xlsx") if not f.name.startswith(("~$", ".")))
    if not workbooks:
        raise DataError(
            f"{folder} holds no workbook, and few-shot examples come from there; give MMCU's "
            "folder with test/ and dev/, or eval.benchmarks.mmcu.options.shots=0"
        )
    found = {}
    for workbook in workbooks:
        discipline, subject = _discipline(workbook.stem, str(workbook))
        sheets = list(_sheets(workbook).items())[:1]
        questions = [
            question
            for title, rows in sheets
            for question in _from_sheet(f"{workbook}, sheet {title!r}", discipline, subject, rows)
        ][:shots]
        if len(questions) < shots:
            raise DataError(
                f"{workbook} has {len(questions)} questions, "
                f"eval.benchmarks.mmcu.options.shots asks for {shots}; ask for fewer"
            )
        found[discipline, subject] = questions
    return found


def half_width(text: str) -> str:
    """Return `text` with the full-width capitals Ａ to Ｚ as A to Z."""
    return text.translate(_FULL_WIDTH)


def _discipline(name: str, where: str) -> tuple[str, str | None]:
    """Return discipline and subject of a name such as 法律 or 教育_化学."""
    discipline, _, subject = name.strip().partition("_")
    if discipline not in DISCIPLINES:
        raise DataError(
            f"{where}: unknown subject {name!r}; accepted are {', '.join(DISCIPLINES)}, also with "
            "a subject as in 教育_化学. Remove what is not MMCU"
        )
    return DISCIPLINES[discipline], subject or None


def _from_workbooks(workbooks: Sequence[Path]) -> tuple[list[Question], str]:
    questions = [question for path in workbooks for question in _from_workbook(path)]
    order = list(DISCIPLINES.values())
    questions.sort(key=lambda q: (order.index(q.discipline), q.subject or ""))
    hashes = [[path.name, file_sha256(path)] for path in workbooks]
    return questions, text_sha256(canonical_json(hashes))


def _from_workbook(path: Path) -> list[Question]:
    """Return the questions of one file, which may have several sheets in medicine only."""
    discipline, subject = _discipline(path.stem, str(path))
    sheets = _sheets(path)
    if not sheets:
        raise DataError(f"{path}: no sheet holds a question; give MMCU's file as it is")
    if len(sheets) > 1 and discipline != "medicine":
        raise DataError(
            f"{path}: {len(sheets)} sheets hold text ({', '.join(sheets)}); only 医疗 has a "
            "sheet a subject. Remove the others"
        )
    questions: list[Question] = []
    for title, rows in sheets.items():
        # The sheets of medicine are named by subject and size: 临床医学101题.
        name = re.sub(r"\d+题$", "", title.strip())
        of_sheet = name if name != title.strip() or len(sheets) > 1 else subject
        questions += _from_sheet(f"{path}, sheet {title!r}", discipline, of_sheet, rows)
    return questions


def _sheets(path: Path) -> dict[str, list[list[str]]]:
    """Return the sheets that hold text: their rows of texts, "" for an empty cell."""
    # Imported here: a config is checked without it.
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        workbook = load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise DataError(
            f"{path} is no readable .xlsx workbook ({error}); get the file again"
        ) from error
    found = {}
    for sheet in workbook.worksheets:
        # Some programs write a wrong size into the sheet, and openpyxl would believe it.
        sheet.reset_dimensions()
        rows = [[_cell_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
        if any(any(row) for row in rows):
            found[sheet.title] = rows
    workbook.close()
    return found


def _cell_text(cell: Any) -> str:
    """Return a cell as the authors' scripts print it: numbers and dates by their `str`."""
    text = "" if cell is None else str(cell)
    return text if text.strip() else ""


def _from_sheet(
    where: str, discipline: str, subject: str | None, rows: Sequence[Sequence[str]]
) -> Iterator[Question]:
    """Yield the questions below the header, whose options come in the order of their letters."""
    width = max(len(row) for row in rows)
    padded = [[*row, *[""] * (width - len(row))] for row in rows]
    found = columns(where, padded)
    for row_number, row in enumerate(padded[1:], start=2):
        if not any(row):
            continue
        options = _without_labels([(letter, row[place]) for letter, place in found.options])
        yield Question(
            discipline,
            subject,
            row_number - 1,
            f"{where}, row {row_number}",
            row[found.question].strip(),
            "\n".join(f"{letter}:{text}" for letter, text in options),
            "".join(letter for letter, _ in options),
            row[found.answer],
        )


def _without_labels(options: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the options that have text, without a label of their own when all have one.

    The authors delete every A, B, C and D instead, which makes "DNA" an "N".
    """
    options = [(letter, text.strip()) for letter, text in options if text]
    bare = []
    for letter, text in options:
        own = f"[{letter}{chr(ord(letter) + ord('Ａ') - ord('A'))}]"
        label = rf"(?:[(（]{own}[)）]\s*[、.．:：,，]?|{own}\s*[、.．:：,，])\s*"
        match = re.match(rf"{label}(?=\S)", text)
        if match is None:
            return options
        bare.append((letter, text[match.end() :]))
    return bare


def _from_json(path: Path) -> Iterator[Question]:
    """Yield the questions of the study's form, in the file's order."""
    for record in read_records(path):
        where = f"{path}, line {record.line}, record {record.position}"
        value = record.value
        if not isinstance(value, dict) or isinstance(value, RepeatedKeys):
            raise DataError(f"{where}: not an object with 类别, 题目, 选项, 答案: {record.excerpt}")
        for key in ("类别", "题目", "选项", "答案"):
            if not isinstance(value.get(key), str):
                raise DataError(f"{where}: no text in {key!r}; add it. Found: {record.excerpt}")
        discipline, subject = _discipline(value["类别"], where)
        letters = "".join(_LABELLED_LINE.findall(value["选项"]))
        yield Question(
            discipline,
            subject,
            record.position,
            where,
            value["题目"].strip(),
            value["选项"].strip(),
            half_width(letters),
            value["答案"],
        )
