"""Secrets on a command line, which must not reach a launch's files.

Owns: telling a secret by the name of its setting, or by its own form. Knows nothing of Hydra.
"""

from __future__ import annotations

import re

_NAMES = (
    r"(?:api|access|secret|private|auth)_?key|key|secret|client_secret|password|passwd|credentials?"
    r"|(?:(?:api|access|auth|bearer|hf|hub|refresh|secret|wandb)_?)?token"
)
_NAMED = re.compile(rf"(?:^|[.@+~])(?:{_NAMES})$", re.IGNORECASE)
_NAMED_WITHIN = re.compile(rf"[{{,]\s*(?:\w+\.)*[\"']?(?:{_NAMES})[\"']?\s*:", re.IGNORECASE)
"""The same as a key of a mapping in a value: `judge.options={api_key: ...}`."""
_VALUES = re.compile(
    r"\bsk-[\w-]{16,}"  # OpenAI, Anthropic and servers that imitate them
    r"|\bhf_[A-Za-z0-9]{20,}"  # the model hub
    r"|\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,})"
    r"|\bA[KS]IA[0-9A-Z]{16}\b"  # AWS
    r"|\bAIza[\w-]{30,}"  # Google
    r"|\bxox[abprs]-[\w-]{10,}"  # Slack
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"  # JSON web tokens
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|://[^/\s:@]+:[^/\s:@]+@"  # an address with a password
)


def is_secret(word: str) -> bool:
    """Return whether an override (`key=value`) gives a secret.

    A name counts as a whole: `api_key` and `token` mean secrets, `output_key` and `eos_token`
    do not.
    """
    key, _, value = word.partition("=")
    return any((_NAMED.search(key), _NAMED_WITHIN.search(value), _VALUES.search(value)))
