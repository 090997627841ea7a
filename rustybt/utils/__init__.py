"""Import paths that the production checklist names."""
