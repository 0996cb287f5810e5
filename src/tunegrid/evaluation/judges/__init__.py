"""Judges: what rates the answers to items that have no scoring rule of their own."""
