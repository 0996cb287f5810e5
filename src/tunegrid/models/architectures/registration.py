"""The one place where transformers learns of the architectures here.

Owns: which config class means which model class. Called before a config is read, and only then:
importing this module imports neither torch nor transformers.
"""

from __future__ import annotations

import functools


@functools.cache
def register() -> None:
    """Register every architecture of this package with transformers' Auto classes, once.

    A registered class wins over the code that a repository names in `auto_map`, which is never
    run. Bloom's config is transformers' own; the registered model takes the place of its model.
    """
    from transformers import AutoModelForCausalLM
    from transformers.models.bloom.configuration_bloom import BloomConfig

    from tunegrid.models.architectures.bloom.modeling import FusedBloomForCausalLM

    AutoModelForCausalLM.register(BloomConfig, FusedBloomForCausalLM, exist_ok=True)
