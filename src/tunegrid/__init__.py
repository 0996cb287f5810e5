"""tunegrid: ablation studies of instruction tuning, from YAML to tables."""

__version__ = "0.1.0"
