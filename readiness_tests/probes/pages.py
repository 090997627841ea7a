"""Make the pages on performance from the records, without writing them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rustybt.benchmark.pages import made_pages
from rustybt.errors import RustyBTError


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each page below *docs* has to be, by its path there, or why nobody can say."""
    docs = Path(arguments["docs"])
    try:
        pages = made_pages(docs)
    except RustyBTError as error:
        return {"error": str(error), "pages": {}}
    return {"error": "", "pages": {str(path.relative_to(docs)): pages[path] for path in pages}}
