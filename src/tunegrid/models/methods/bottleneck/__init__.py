"""Bottleneck adapters: the method, its layer and its tuner for peft."""

from tunegrid.models.methods.bottleneck.method import attach, problems

__all__ = ["attach", "problems"]
