"""A filled table as Markdown, LaTeX and HTML.

Owns: escaping, and how marks are drawn: the best bold, the second underlined, a suspect one with †.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from tunegrid.reports.study_table import Entry, Filled, shown

LEGEND = "Value ± standard error (published; difference). Best bold, second underlined, † suspect."
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def markdown(table: Filled) -> str:
    """Return the table for a Markdown file."""

    def line(words: list[str]) -> str:
        return f"| {' | '.join(words)} |"

    columns = list(table.declaration.columns)
    said = [line(["", *map(_markdown, columns)]), line(["---", *["---:"] * len(columns)])]
    for label, row in table.entries.items():
        cells = [_cell(row[one], one, _markdown_mark, "†") for one in columns]
        said.append(line([_markdown(label), *cells]))
    # A command is copied: nothing in it is escaped.
    missing = [f"- `{one}`" for one in table.missing]
    below = ["", "Missing:", "", *missing] if missing else []
    title = f"## {_markdown(table.declaration.title)}"
    return "\n".join([title, "", *said, "", LEGEND, *below, ""])


def latex(table: Filled) -> str:
    """Return the table for a document that loads booktabs."""
    columns = list(table.declaration.columns)
    lines = [
        r"\begin{tabular}{l" + "r" * len(columns) + "}",
        r"\toprule",
        " & ".join(["", *map(latex_text, columns)]) + r" \\",
        r"\midrule",
    ]
    for label, row in table.entries.items():
        cells = [_latex_cell(row[one], one) for one in columns]
        # Braces: a label that begins with [ would be read as the option of the \\ before it.
        lines.append(" & ".join(["{" + latex_text(label) + "}", *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def page(table: Filled) -> str:
    """Return the table as a page of its own, readable without a network."""
    columns = list(table.declaration.columns)
    title = html.escape(table.declaration.title)
    heads = "".join(f"<th>{html.escape(one)}</th>" for one in ["", *columns])
    body = "".join(
        f"<tr><th>{html.escape(label)}</th>"
        + "".join(f"<td>{_cell(row[one], one, _html_mark, '†')}</td>" for one in columns)
        + "</tr>\n"
        for label, row in table.entries.items()
    )
    missing = "".join(f"<li><code>{html.escape(one)}</code></li>" for one in table.missing)
    below = f"<p>Missing:</p><ul>{missing}</ul>" if missing else ""
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
        "<style>body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
        "td,th{padding:.2em .7em;border-bottom:1px solid #ccc}td{text-align:right}"
        "th{text-align:left}</style>\n"
        f"<h1>{title}</h1>\n<table><thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody></table>"
        f"\n<p>{html.escape(LEGEND)}</p>{below}\n</html>\n"
    )


def _cell(one: Entry, column: str, mark: Callable[[str, str], str], suspect: str) -> str:
    if one.value is None:
        text = "–"
    else:
        text = mark(shown(one.value, column), one.mark)
        text += suspect if one.suspect else ""
        if one.standard_error is not None:
            text += f" ± {shown(one.standard_error, column)}"
    if one.published is None:
        return text
    theirs = shown(one.published, column)
    if one.difference is not None:
        theirs += f"; {shown(one.difference, column, signed=True)}"
    return f"{text} ({theirs})"


def _latex_cell(one: Entry, column: str) -> str:
    if one.value is None:
        return "--"
    text = shown(one.value, column)
    command = {"best": r"\textbf", "second": r"\underline"}.get(one.mark)
    text = f"{command}{{{text}}}" if command else text
    return text + (r"\textsuperscript{\dag}" if one.suspect else "")


def latex_text(text: str) -> str:
    """Return a text in which LaTeX reads no character as a command."""
    return "".join(_LATEX.get(one, one) for one in text)


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", text)


def _markdown_mark(text: str, mark: str) -> str:
    return {"best": f"**{text}**", "second": f"<u>{text}</u>"}.get(mark, text)


def _html_mark(text: str, mark: str) -> str:
    return {"best": f"<b>{text}</b>", "second": f"<u>{text}</u>"}.get(mark, text)
