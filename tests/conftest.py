"""What all tests share: how often a property is tried."""

from __future__ import annotations

from hypothesis import settings

# No test says its own number, so that a run which only repeats may ask for fewer.
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile("thorough")
