"""Gives MkDocs the pages that are made from the code; they are nowhere on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to *files*."""
    from mkdocs.structure.files import File

    from readiness_tests.documents.generated import generated_pages

    for name, text in generated_pages().items():
        files.append(File.generated(config, name, content=text))
    return files
