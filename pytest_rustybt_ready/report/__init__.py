"""The reports of a run: one HTML page, JUnit, the record itself, the ticked checklist, a summary.

Import this package only when a report is to be written; Jinja2 is loaded when HTML is rendered.
"""

from pytest_rustybt_ready.report.write import write_reports

__all__ = ["write_reports"]
