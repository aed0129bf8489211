"""MkDocs hooks: what the site takes from outside docs/.

CHANGELOG.md, SECURITY.md and CONTRIBUTING.md become pages of the site. A link from a page to any other file of the
repository becomes that file's path as text, because the site does not contain the file; a link to a file that does not
exist is an error.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
PROJECT_PAGES = {name: f"project/{name.lower()}" for name in ("CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md")}
"""Pages at the top of the repository, and where they are in the site."""
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from the top of the repository."""
    from mkdocs.structure.files import File

    for name, target in PROJECT_PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=_relinked(text, ROOT, target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn the links that leave docs/."""
    uri = page.file.src_uri
    return markdown if uri in PROJECT_PAGES.values() else _relinked(markdown, (ROOT / "docs" / uri).parent, uri)


def _relinked(markdown: str, folder: Path, uri: str) -> str:
    """The text of the site's page `uri`, whose links are relative to `folder` of the repository."""

    def turned(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        path = Path(os.path.normpath(folder / target))
        if folder != ROOT and path.is_relative_to(ROOT / "docs"):
            return found[0]  # MkDocs checks it
        if not path.exists():
            raise FileNotFoundError(f"{uri} links to {target}, which does not exist")
        name = path.relative_to(ROOT).as_posix()
        inside = PROJECT_PAGES.get(name) or name.removeprefix("docs/")
        if inside == name:
            return text if text.strip("`") == name else f"{text} (`{name}`)"
        return f"[{text}]({os.path.relpath(inside, Path(uri).parent)}{anchor})"

    return _LINK.sub(turned, markdown)
