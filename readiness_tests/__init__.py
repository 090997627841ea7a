"""Checks that prove each checklist item against a deployment."""
