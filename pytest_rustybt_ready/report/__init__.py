"""The reports of a run: one HTML page, JUnit, the record itself, the ticked checklist, a summary.

Import this package only when a report is to be written; Jinja2 is loaded when HTML is rendered.
"""

from pytest_rustybt_ready.report.write import ReportError, write_reports

__all__ = ["ReportError", "write_reports"]
