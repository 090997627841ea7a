"""The record as one HTML page that needs no network and reads well without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report import text
from pytest_rustybt_ready.report.view import arithmetic, arrange

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_BYTES = 500_000


def render_html(record: Record) -> str:
    """Return *record* as one page."""
    view = arrange(record)
    return _environment().get_template("index.html.j2").render(view=view, record=record)


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pytest_rustybt_ready.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(visible=text.visible, moment=text.moment)
    environment.globals.update(arithmetic=arithmetic)
    return environment
