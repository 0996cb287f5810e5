"""Which errors say that memory ran out, and giving back what an error still holds."""

from __future__ import annotations

_WORDS = (
    "can't allocate memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "HIPBLAS_STATUS_ALLOC_FAILED",
    "cudaErrorMemoryAllocation",
)
"""What libraries and drivers write that have no class of their own for it: torch's allocator on
CPUs, the driver, and the libraries that take their working memory besides torch."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on a device or in the process."""
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)
    )


def give_back() -> None:
    """Have torch give the memory back that it holds unused, after an error was dealt with."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
