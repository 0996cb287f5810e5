"""The config of MOSS-moon-003: CodeGen's, under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers.models.codegen.configuration_codegen import CodeGenConfig

from tunegrid.models.architectures.hub_fields import translated


class MossConfig(CodeGenConfig):
    """CodeGen's fields; `wbits` below 32 (weights packed by GPTQ) is refused."""

    model_type = "moss"

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """Return the config of the fields of a config.json, its own or one saved here.

        Raises:
            ConfigError: weights that were packed by other software.

        """
        fields = {k: v for k, v in config_dict.items() if k not in ("groupsize", "n_inner")}
        if config_dict.get("n_inner") is not None:
            fields["n_inner"] = config_dict["n_inner"]
        ours = translated(fields, base="MOSS", only={"wbits": 32})
        return super().from_dict({"vocab_size": 107008} | ours, **kwargs)
