"""Probes: small programs that drive the engine and say what it did, for checks to judge.

Each has ``main(arguments)``, which returns what JSON can hold, decimals and times besides. They run
in a process of their own (see :mod:`readiness_tests.engine`) and judge nothing themselves.
"""
