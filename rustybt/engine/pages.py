"""How pages of HTML are made here: everything escaped, nothing left undefined."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def page_environment() -> Environment:
    """Return what makes pages of the templates in this package."""
    return Environment(
        loader=PackageLoader("rustybt.engine", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
