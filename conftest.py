"""Collects documentation examples; nothing else."""
