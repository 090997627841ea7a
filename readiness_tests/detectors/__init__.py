"""Detectors of what looks like working code and is not: the zero-mock rules of the checklist.

Each is a function from paths to a `Scan`; `scripts/` runs them from a shell. A detector that is
given nothing to examine raises `DetectorError`, because nothing found in nothing proves nothing.
"""

from readiness_tests.detectors.comments import scan_comments, scan_suppressions
from readiness_tests.detectors.complexity import scan_complexity
from readiness_tests.detectors.constants import scan_constants
from readiness_tests.detectors.finding import Allowance, DetectorError, Finding, Scan
from readiness_tests.detectors.mocks import scan_mocks
from readiness_tests.detectors.verification import (
    Limits,
    Outcome,
    Verification,
    verify_validators,
)

__all__ = [
    "Allowance",
    "DetectorError",
    "Finding",
    "Limits",
    "Outcome",
    "Scan",
    "Verification",
    "scan_comments",
    "scan_complexity",
    "scan_constants",
    "scan_mocks",
    "scan_suppressions",
    "verify_validators",
]
