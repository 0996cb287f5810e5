"""Baichuan: 7B with rotary positions, 13B with linear biases."""
