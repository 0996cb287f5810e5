"""Imports what `tunegrid.launch.preload` lists; the server imports this module by its name."""

import importlib
import logging

from tunegrid.launch.preload import MODULES

# Says at import that an optional kernel package is missing.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

for _name in MODULES:
    importlib.import_module(_name)
