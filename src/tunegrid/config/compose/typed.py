"""From OmegaConf to the dataclasses of the schema: composed, stored and partial settings.

Owns: every place where a configuration becomes plain values. Knows nothing of what the settings
mean.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tunegrid.config.compose import overrides
from tunegrid.config.errors import ConfigError, StoreError, all_problems
from tunegrid.config.functions import option_problems, suggestion
from tunegrid.config.names import name_problem
from tunegrid.config.project import project_directory
from tunegrid.config.schema import AUTO, CellConfig, JudgeConfig
from tunegrid.config.stored import present_form

NO_SCHEMA = "the configuration has no schema; start its defaults list with `schema`"
HOW_TO_GIVE = {
    "data.files": "for example data.files=[a.json,b.json]",
}


def typed(
    composed: DictConfig | ListConfig,
    read_base: Callable[[str, str | None], Mapping[str, Any]] | None = None,
) -> CellConfig:
    """Return a composed configuration as dataclasses.

    Args:
        composed: with the schema.
        read_base: returns settings of `model` for a path and revision, where
            `model.architecture` is `auto`.

    Raises:
        ConfigError: it is incomplete or cannot be resolved.
    """
    if read_base is not None:
        composed = _with_base(composed, read_base)
    try:
        config = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        # Looked for only now: it takes longer than everything else here.
        missing = sorted(_missing(composed))
        if missing:
            problems = [f"{key} must be given{_how(key, composed)}" for key in missing]
            raise ConfigError(all_problems("the cell is incomplete", problems)) from None
        raise ConfigError(f"the configuration cannot be resolved: {error}") from error
    if not isinstance(config, CellConfig):
        raise ConfigError(NO_SCHEMA)
    return config


def _with_base(
    composed: DictConfig | ListConfig, read: Callable[[str, str | None], Mapping[str, Any]]
) -> DictConfig | ListConfig:
    """Return a configuration whose base is known: other settings refer to its modules."""
    model = OmegaConf.select(composed, "model")
    if model is None or OmegaConf.is_missing(model, "path") or model.get("architecture") != AUTO:
        return composed
    whole = copy.deepcopy(composed)
    for name, value in read(str(model.path), model.revision).items():
        if OmegaConf.is_missing(model, name) or model.get(name) in (AUTO, [], None):
            OmegaConf.update(whole, f"model.{name}", value)
    return whole


def _missing(composed: DictConfig | ListConfig) -> set[str]:
    """Return the settings that must be given."""
    return {key for key in OmegaConf.missing_keys(composed) if not key.startswith("hydra.")}


def _how(key: str, composed: DictConfig | ListConfig) -> str:
    """Return how a setting is given; a benchmark says itself where it comes from."""
    if key in HOW_TO_GIVE:
        return f": {HOW_TO_GIVE[key]}"
    where_from = OmegaConf.select(composed, f"{key.removesuffix('.path')}.where_from")
    return f": add {key}=<value>" + ("" if where_from is None else f". {where_from}")


def composed_groups(
    settings: Sequence[str],
    project: Path,
    groups: Sequence[str],
    read_base: Callable[[str, str | None], Mapping[str, Any]] | None = None,
) -> CellConfig:
    """Return the default cell with overrides, of which only some groups will be used.

    Args:
        settings: overrides as on the command line of run.py.
        project: holds conf/.
        groups: what will be used; other groups may stay incomplete.
        read_base: as for `typed`.

    Raises:
        ConfigError: an override that does not fit, or a setting of these groups that is missing.
    """
    conf = project / "conf"
    words = overrides.checked(list(settings), conf)
    ConfigStore.instance().store(name="schema", node=CellConfig)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf), version_base="1.3"):
            composed = compose("config", overrides=words)
        if read_base is not None:
            composed = _with_base(composed, read_base)  # type: ignore[assignment]
        missing = sorted(
            key for key in OmegaConf.missing_keys(composed) if key.split(".")[0] in groups
        )
        if missing:
            raise ConfigError(f"{', '.join(missing)} must be given: add {missing[0]}=<value>")
        plain = OmegaConf.to_object(composed)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error)) from error
    if not isinstance(plain, CellConfig):
        raise ConfigError(NO_SCHEMA)
    return plain


def config_from(stored: Mapping[str, Any]) -> CellConfig:
    """Return settings that were written as plain values as typed ones.

    Raises:
        StoreError: a setting that this version lacks, or a value it does not accept.
    """
    try:
        merged = OmegaConf.merge(
            OmegaConf.structured(CellConfig), OmegaConf.create(present_form(stored))
        )
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise StoreError(
            f"these settings were written by another version of tunegrid: {error}. Read them with "
            "the version that wrote them (provenance.json names it), or update this one"
        ) from error
    assert isinstance(config, CellConfig)  # noqa: S101 - narrows the type; the schema is ours
    return config


def judge_config(name: str, assignments: Sequence[str]) -> JudgeConfig:
    """Return the judge of conf/judge with some of its options replaced.

    Raises:
        ConfigError: no such file, or options that the judge does not have.
    """
    names = {
        path.stem: path
        for place in (project_directory(), Path.cwd())
        for path in (place / "conf" / "judge").glob("*.yaml")
    }
    if name not in names:
        raise ConfigError(f"--judge: there is no {name!r} in conf/judge{suggestion(name, names)}")
    loaded = OmegaConf.merge(
        OmegaConf.structured(JudgeConfig),
        OmegaConf.load(names[name]),
        {"options": OmegaConf.from_dotlist(list(assignments))},
    )
    judge = OmegaConf.to_object(loaded)
    if not isinstance(judge, JudgeConfig):
        raise ConfigError(f"{names[name]} is no judge: it needs name, function and options")
    found = option_problems("judge", "judge", judge.function, judge.options, ())
    problem = name_problem("judge.name", judge.name)
    found += [] if problem is None else [problem]
    if found:
        raise ConfigError("; ".join(found))
    return judge


def model_and_method(conf: Path, model: str, method: str) -> CellConfig:
    """Return a configuration with one choice of the groups model and peft, the rest as it is.

    Raises:
        ConfigError: no such choice, or a file that does not fit the schema.

    """
    chosen = {}
    for group, name in (("model", model), ("peft", method)):
        path = conf / group / f"{name}.yaml"
        if not path.is_file():
            names = [file.stem for file in (conf / group).glob("*.yaml")]
            raise ConfigError(f"conf/{group} has no {name!r}{suggestion(name, names)}")
        chosen[group] = OmegaConf.load(path)
    merged = OmegaConf.merge(OmegaConf.structured(CellConfig), chosen)
    parts: dict[str, Any] = {g: OmegaConf.to_object(getattr(merged, g)) for g in chosen}
    return CellConfig(**parts)
