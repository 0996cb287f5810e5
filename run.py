"""The one door: `python run.py [overrides]` runs a cell, `-m` several."""

import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    # Until something takes a wish to stop, there is nothing to lose.
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, lambda *_: os._exit(130))

# Cells bring their own progress; a tokenizer that forks threads would only warn about it.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from tunegrid.cli import usage

PROJECT = Path(__file__).resolve().parent


def main() -> None:
    """Print the help, or compose and run."""
    if usage.is_asked(sys.argv[1:]):
        print(usage.text([PROJECT / "conf"]))
        return
    try:
        # Behind the help, because importing Hydra takes longer than printing it.
        from tunegrid.cli import run
        from tunegrid.launch import stop

        stop.take_early()
        run.main(PROJECT)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
