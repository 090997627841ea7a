"""A trading engine in a seeded world that goes wrong in every way, and what must hold in it."""
