"""The ordinary suite: run once per tree, recorded, and read by every check that asks about it."""

from readiness_tests.suite.record import Package, SuiteRecord, SuiteRun, TestOutcome
from readiness_tests.suite.runner import SuiteError
from readiness_tests.suite.store import SuiteStore

__all__ = ["Package", "SuiteError", "SuiteRecord", "SuiteRun", "SuiteStore", "TestOutcome"]
