"""The one door: `python run.py [overrides]` runs a cell, `-m` several."""

import os
import sys
from pathlib import Path

# Cells bring their own progress; a tokenizer that forks threads would only warn about it.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from tunegrid.entry import main

if __name__ == "__main__":
    main(Path(__file__).resolve().parent)
