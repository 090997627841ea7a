"""The composition root: from a deployment's settings to a wired engine."""
