"""The miniature: an invented bilingual world, its texts, a tokenizer and two tiny bases.

Run ``python -m tunegrid_miniature`` to rebuild ``assets/miniature``. The package depends on no
other module of tunegrid, so that the assets can be rebuilt while everything else changes.
"""
