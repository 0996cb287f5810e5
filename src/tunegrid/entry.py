"""What `run.py` does: check the command line, let Hydra compose, run each cell in a child.

Owns: the wiring to Hydra and how errors are shown. Part of the edge; never imports torch.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import hydra
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from tunegrid import cell as cells
from tunegrid import distributed, overrides, running
from tunegrid.errors import ConfigError, StoreError, TunegridError
from tunegrid.identity import Cell
from tunegrid.schema import CellConfig, Stage
from tunegrid.sweeping.composing import strict
from tunegrid.sweeping.messages import explained

_project: list[Path] = []
"""The directory given to `main`; Hydra calls plugins without passing anything through."""

_exit_codes: list[int] = []
"""How sweeps ended that ran their cells themselves."""

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
        sys.argv[1:] = [*overrides.checked(sys.argv[1:], conf), *distributed.own_directories()]
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
    sys.exit(max([worst[0], *_exit_codes]))


def note_exit_code(code: int) -> None:
    """Have the process end with this code, unless a cell ends it with a higher one."""
    _exit_codes.append(code)


def project() -> Path:
    """Return the directory that was given to `main`."""
    return _project[-1]


def run_composed(composed: DictConfig, project_directory: Path) -> int:
    """Check and run one composed cell; return its exit code."""
    directory = Path(HydraConfig.get().runtime.cwd)
    if composed.stage is Stage.plan:
        return _planned(composed, directory, project_directory)
    return running.run_one(composed_cell(composed, directory, project_directory))


def _planned(composed: DictConfig, working_directory: Path, project_directory: Path) -> int:
    """Print the plan of one cell; return its exit code."""
    from tunegrid.plan.planning import Planned, plan, print_plan

    draft = cells.drafted(cells.typed(strict(composed)), project_directory, working_directory)
    one = Planned(draft.cell, missing=draft.absent, refused="; ".join(draft.refused) or None)
    print_plan(plan([one]))
    return 0


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
    return cells.from_composed(strict(composed), project_directory or project(), working_directory)


def shown(error: Exception) -> int:
    """Print an error as a message and return the exit code it means."""
    print(f"\n{explained(error)}", file=sys.stderr)
    return EXIT_REFUSED if is_refusal(error) else EXIT_FAILED


def is_refusal(error: Exception) -> bool:
    """Return whether the error says that a configuration is wrong."""
    return isinstance(error, ConfigError | HydraException | OmegaConfBaseException)
