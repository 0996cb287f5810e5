"""Figures of finished cells."""
