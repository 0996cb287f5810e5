"""Bases: loading a pretrained model and its tokenizer, and its skeleton without weights."""
