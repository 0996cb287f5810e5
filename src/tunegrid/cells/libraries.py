"""How the libraries are set up in a process that runs cells.

Owns: threads, and what libraries may say.
"""

from __future__ import annotations

import logging
import warnings

from tunegrid.config.schema import CellConfig


def prepare_process(config: CellConfig) -> None:
    """Set the process up once: threads, quiet libraries."""
    import torch

    if config.runtime.threads is not None:
        torch.set_num_threads(config.runtime.threads)
    quieten_libraries()


def quieten_imports() -> None:
    """Leave out what libraries say when they are imported; imports none of them."""
    # Says at import that an optional kernel package is missing.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # peft still asks for the old name of activation checkpointing, at every use.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def quieten_libraries() -> None:
    """Have libraries say nothing that a user could not act on."""
    import threading

    import transformers
    from tqdm import tqdm

    quieten_imports()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # The default lock is shared between processes and would outlive this one.
    tqdm.set_lock(threading.RLock())
    # Says once a layer and forward pass that int8 casts its inputs.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
