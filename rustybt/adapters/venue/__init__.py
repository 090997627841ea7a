"""Venues that ccxt speaks to, behind the port of :mod:`rustybt.trading.ports`."""
