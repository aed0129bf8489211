"""Options and helpers that the audit commands share: the named WARCs, and the means to read them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from finest.cli.shared import common_crawl, say
from finest.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finest.dataset.open import Dataset
    from finest.dataset.page_choice import PageChoice
    from finest.settings import Settings
    from finest.validator.context import AuditContext, Warcs


def own_sources(where: str) -> tuple[str, ...]:
    """Return the WARCs that the dataset's own manifest names, if they are publicly readable."""
    from finest.dataset.open import open_dataset

    with open_dataset(where, say=say) as dataset:
        names = [source.name for source in dataset.sources()]
    return paths_of(names)


def own_pages(where: str) -> PageChoice | None:
    """Return the pages that the dataset's manifest says were chosen; None for all, or if it cannot be read."""
    from finest.dataset.open import open_dataset
    from finest.errors import HubNotFound, VerifyError

    with suppress(HubNotFound, VerifyError), open_dataset(where, say=say) as dataset:
        return dataset.manifest.chosen
    return None


def paths_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return the public paths of WARCs by name; raises SourceError for a name that is not one of Common Crawl's."""
    from finest.warc.source import common_crawl_path

    paths = {name: common_crawl_path(name) for name in names}
    strange = next((name for name, path in paths.items() if path is None), None)
    if strange is not None:
        raise SourceError(f"{strange[:200]!r} is not a file of Common Crawl; name the WARCs with --warc")
    return tuple(path for path in paths.values() if path is not None)


def warcs_of(specs: tuple[str, ...], settings: Settings) -> Warcs:
    from finest.validator.context import Warcs

    return Warcs.of(specs, common_crawl(settings))


def audit_context(where: str, warcs: Warcs, settings: Settings, earlier: Sequence[Dataset] = ()) -> AuditContext:
    from finest.validator.context import AuditContext

    return AuditContext(cache=settings.cache, warcs=warcs, place=where, say=say, earlier=earlier)
