"""Concrete sources and venues behind the engine's ports."""
