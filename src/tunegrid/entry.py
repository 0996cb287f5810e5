"""What `run.py` does: check the command line, let Hydra compose, run each cell in a child.

Owns: the wiring to Hydra and how errors are shown. Part of the edge; never imports torch.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path

import hydra
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tunegrid import cell as cells
from tunegrid import launch, overrides
from tunegrid.errors import ConfigError, StoreError, TunegridError
from tunegrid.identity import Cell
from tunegrid.schema import CellConfig
from tunegrid.wiring import suggestion

_project: list[Path] = []
"""The directory given to `main`; Hydra calls plugins without passing anything through."""

EXIT_FAILED = 1
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130


def main(project_directory: Path) -> None:
    """Run the command line; ends the process with an exit code.

    0: every cell is done. 1: a cell failed. 2: refused before anything was started.
    130: interrupted; the same command continues.

    Args:
        project_directory: holds conf/.
    """
    ConfigStore.instance().store(name="schema", node=CellConfig)
    # Hydra prints errors its own way and exits; with this set it raises them, and they are
    # shown below with what is accepted and what to do.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    _project.append(project_directory)
    worst = [0]

    def task(composed: DictConfig) -> int:
        # An error of one cell is shown and counted here: raised, it would end a sweep.
        try:
            code = run_composed(composed, project_directory)
        except (TunegridError, OmegaConfBaseException) as error:
            code = shown(error)
        except Exception:
            traceback.print_exc()
            code = EXIT_FAILED
        worst[0] = max(worst[0], code)
        return code

    try:
        conf = project_directory / "conf"
        sys.argv[1:] = overrides.checked(sys.argv[1:], conf)
        decorate = hydra.main(version_base="1.3", config_path=str(conf), config_name="config")
        decorate(task)()
    except (TunegridError, HydraException, OmegaConfBaseException) as error:
        sys.exit(shown(error))
    except yaml.YAMLError as error:
        sys.exit(shown(ConfigError(f"a configuration file is no YAML: {error}")))
    except OSError as error:
        sys.exit(
            shown(
                StoreError(
                    f"{error}. Nothing was started. Free space or fix the permissions, or choose "
                    "another place with runtime.results=<directory>"
                )
            )
        )
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(worst[0])


def project() -> Path:
    """Return the directory that was given to `main`."""
    return _project[-1]


def run_composed(composed: DictConfig, project_directory: Path) -> int:
    """Check and run one composed cell; return its exit code."""
    cell = composed_cell(composed, Path(HydraConfig.get().runtime.cwd), project_directory)
    return launch.run_cell(cell)


def composed_cell(
    composed: DictConfig, working_directory: Path, project_directory: Path | None = None
) -> Cell:
    """Return the checked cell of a configuration that Hydra composed.

    Args:
        composed: may hold Hydra's own node.
        working_directory: where the user's relative paths start.
        project_directory: holds conf/; by default that of this process' `main`.

    Raises:
        ConfigError: the cell cannot be run.
    """
    groups = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    # The schema again, strictly: Hydra lets a `+` add keys that the schema lacks.
    strict = OmegaConf.merge(OmegaConf.structured(CellConfig), groups)
    return cells.from_composed(strict, project_directory or project(), working_directory)


def shown(error: Exception) -> int:
    """Print an error as a message and return the exit code it means."""
    print(f"\n{explained(error)}", file=sys.stderr)
    return EXIT_REFUSED if is_refusal(error) else EXIT_FAILED


def is_refusal(error: Exception) -> bool:
    """Return whether the error says that a configuration is wrong."""
    return isinstance(error, ConfigError | HydraException | OmegaConfBaseException)


def explained(error: Exception) -> str:
    """Return the message of an error, with the nearest name where a key is misspelled."""
    if isinstance(error, TunegridError):
        return f"{type(error).__name__}: {error}"
    # "Error merging override seed=x" says what, its cause says why.
    reasons = [error, *([error.__cause__] if error.__cause__ is not None else [])]
    text = ": ".join(str(reason).strip() for reason in reasons)
    unknown = re.search(r"[Kk]ey '([^']+)' not in '(\w+)'", text)
    hint = ""
    if unknown:
        from tunegrid import schema

        kind = getattr(schema, unknown.group(2), None)
        if isinstance(kind, type):
            names = list(getattr(kind, "__dataclass_fields__", {}))
            hint = f"\n{unknown.group(1)!r} is no setting{suggestion(unknown.group(1), names)}"
    return f"ConfigError: {text}{hint}"
