"""EEG: BIDS recordings to epochs, and what is learnt from them."""

from __future__ import annotations
