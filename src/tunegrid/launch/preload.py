"""What the server process imports once, before it forks a child for each cell.

Owns: the list of these modules. Importing `tunegrid.launch.preloaded` imports them all: torch,
transformers, peft and bitsandbytes.
"""

MODULES = (
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
    "tunegrid.cells.pipeline",
    "tunegrid.models.bases.loading",
    "tunegrid.models.bases.skeleton",
    "tunegrid.models.methods.library",
    "tunegrid.training.setup",
    "tunegrid.models.inference.generation",
    "tunegrid.evaluation.benchmarks.belle",
    "tunegrid.evaluation.benchmarks.mmcu",
    "tunegrid.evaluation.judges.reference",
)
