"""What a mixture's manifest says in a few lines: how files were read, and what was left out.

Owns: these lines. Reads a manifest (data.json) alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ONE_AND_MORE = {
    "empty output": ("empty output", "empty outputs"),
    "empty instruction and input": ("without instruction and input",) * 2,
    "not an object": ("that is not an object", "that are not objects"),
}


def lines(manifest: Mapping[str, Any], max_length_tokens: int) -> list[str]:
    """Return a line for each form that was recognised, each collection with losses, and cut ends.

    Args:
        manifest: as data.json has it.
        max_length_tokens: the limit over which prompts were left out.
    """
    forms: dict[str, list[str]] = {}
    for entry in manifest["collections"]:
        for form in dict.fromkeys(file["recognised"] for file in entry["files"]):
            forms.setdefault(form, []).append(entry["name"])
    found = [f"read as {form}: {', '.join(names)}" for form, names in forms.items()]
    for entry in manifest["collections"]:
        line = left_out(entry, manifest["max_characters"], max_length_tokens)
        found += [] if line is None else [line]
    cut, total = (manifest.get("train_tokens", {}).get(key, 0) for key in ("truncated", "examples"))
    if cut:
        found.append(
            f"cut at {max_length_tokens:,} tokens: {cut:,} of {total:,} examples, which lose their "
            "end; a larger train.max_length_tokens keeps it"
        )
    return found


def left_out(
    entry: Mapping[str, Any], max_characters: int | None, max_length_tokens: int
) -> str | None:
    """Return what of a collection was left out and why; None when nothing was."""
    parts = [_counted(count, reason) for reason, count in entry["rejected_reasons"].items()]
    if entry["too_long"]:
        parts.append(f"{entry['too_long']:,} over {max_characters:,} characters")
    prompts = entry.get("prompt_too_long", 0)
    if prompts:
        noun = "prompt" if prompts == 1 else "prompts"
        parts.append(f"{prompts:,} {noun} over {max_length_tokens:,} tokens")
    if not parts:
        return None
    total = entry["rejected"] + entry["too_long"] + prompts
    return (
        f"left out of {entry['name']}: {total:,} of {entry['read']:,} ({', '.join(parts)}); "
        "see data.json"
    )


def _counted(count: int, reason: str) -> str:
    if reason in _ONE_AND_MORE:
        return f"{count:,} {_ONE_AND_MORE[reason][count > 1]}"
    return f"{count:,} {'where' if reason.startswith(chr(39)) else 'with'} {reason}"
