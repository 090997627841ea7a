"""Backups of a deployment's home: made while it trades, verified, restored in one step.

An archive is a ``tar.gz`` that any tool unpacks. What it holds is read back only through
:mod:`rustybt.backup.reading`, which takes nothing from it that the deployment's own encryption key
does not vouch for.
"""
