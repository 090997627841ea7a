"""A pytest plugin that turns a production checklist into a verdict with evidence."""
