"""What is imported before a process gets its cell: by the server that forks, and by spares.

Owns: the lists of these modules. Importing `tunegrid.launch.preloaded` imports all of `MODULES`:
torch, transformers, peft and bitsandbytes.
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

AHEAD = (
    "torch",
    "transformers",
    "transformers.models.llama.modeling_llama",
    "transformers.models.bloom.modeling_bloom",
    "transformers.generation",
    "datasets",
    "sklearn.metrics",
    "accelerate",
    "openpyxl",
    "sacrebleu",
    "tunegrid.cells.pipeline",
    "tunegrid.models.bases.loading",
    "tunegrid.models.bases.skeleton",
)
"""What a spare imports while the cell before it still runs on the GPU: nothing of it asks CUDA for
its devices. Counted with torch's questions replaced: bitsandbytes asks four times when it is
imported, nothing else of `MODULES` does; peft and transformers.trainer import it. Those take 1.0 s
on a CPU of 2026 and are left to the moment in which the spare gets its cell; these take 3.5 s."""
