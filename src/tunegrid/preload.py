"""What the server process imports once, before it forks a child for each cell.

Importing this module loads torch, transformers, peft and bitsandbytes. Nothing imports it but
the server, by name.
"""

import importlib
import logging

# Says at import that an optional kernel package is missing.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

for _name in (
    "torch",
    "transformers",
    "transformers.models.llama.modeling_llama",
    "transformers.models.bloom.modeling_bloom",
    "transformers.trainer",
    "transformers.generation",
    "peft",
    "bitsandbytes",
    "openpyxl",
    "sacrebleu",
    "tunegrid.pipeline",
    "tunegrid.bases.loading",
    "tunegrid.bases.skeleton",
    "tunegrid.methods.library",
    "tunegrid.training.assembly",
    "tunegrid.generation",
    "tunegrid.benchmarks.belle",
    "tunegrid.benchmarks.mmcu",
    "tunegrid.judges.reference",
):
    importlib.import_module(_name)
