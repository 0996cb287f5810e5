"""Imports what `tunegrid.launch.preload` lists; the server imports this module by its name."""

import importlib

from tunegrid.cells.libraries import quieten_imports
from tunegrid.launch.preload import MODULES

quieten_imports()

for _name in MODULES:
    importlib.import_module(_name)
