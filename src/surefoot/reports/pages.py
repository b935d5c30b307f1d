"""A page as one HTML file that needs nothing else, escapes every text, and is whole or absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot.traces.display.text import visible
from surefoot.traces.records import storage_errors

if TYPE_CHECKING:
    from jinja2 import Template


def template(name: str) -> Template:
    """A template of `reports/templates`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("surefoot.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible(str(value)),
    )
    return environment.get_template(name)


def write_page(path: str | Path, page: str) -> None:
    """Write a page; a file of that name is replaced only by a whole one.

    Raises:
        StorageError: the file cannot be written.
    """
    part = Path(f"{path}.part")
    with storage_errors(str(path), "write"):
        part.write_text(page, encoding="utf-8")
        os.replace(part, path)
