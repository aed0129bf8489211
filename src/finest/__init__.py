"""Finest Data turns Common Crawl WARC files into FineWeb-quality pretraining datasets that anybody can check.

    import finest

    refined = finest.refine("crawl/*.warc.gz", "my-dataset")
    verdict = finest.judge(html, url="https://example.org/article")
    text = finest.extract(html)

`import finest` itself loads nothing else: it imports each name on first use.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # type checkers treat it as true; importing `typing` would cost more than everything else here
if TYPE_CHECKING:
    from finest.api.datasets import Refined as Refined
    from finest.api.datasets import open_dataset as open_dataset
    from finest.api.datasets import refine as refine
    from finest.api.datasets import select as select
    from finest.api.datasets import verify as verify
    from finest.api.pages import extract as extract
    from finest.api.pages import judge as judge
    from finest.dataset.manifest import Manifest as Manifest
    from finest.dataset.open import Dataset as Dataset
    from finest.errors import ChainError as ChainError
    from finest.errors import ClusterError as ClusterError
    from finest.errors import ClusterUnavailable as ClusterUnavailable
    from finest.errors import DevnetError as DevnetError
    from finest.errors import FinestError as FinestError
    from finest.errors import HubError as HubError
    from finest.errors import HubNotFound as HubNotFound
    from finest.errors import HubUnavailable as HubUnavailable
    from finest.errors import JobFailed as JobFailed
    from finest.errors import LeaseLost as LeaseLost
    from finest.errors import LedgerError as LedgerError
    from finest.errors import ModelError as ModelError
    from finest.errors import NeedsPerson as NeedsPerson
    from finest.errors import NoRoom as NoRoom
    from finest.errors import PageError as PageError
    from finest.errors import RecipeError as RecipeError
    from finest.errors import RunError as RunError
    from finest.errors import SourceBusy as SourceBusy
    from finest.errors import SourceError as SourceError
    from finest.errors import TaskServerError as TaskServerError
    from finest.errors import TaskServerUnavailable as TaskServerUnavailable
    from finest.errors import UsageError as UsageError
    from finest.errors import VerifyError as VerifyError
    from finest.errors import WhereError as WhereError
    from finest.pipeline.verify import Verification as Verification
    from finest.recipe.judge import Verdict as Verdict
    from finest.recipe.page import Page as Page
    from finest.recipe.recipe import Recipe as Recipe
    from finest.recipe.recipe import load_recipe as load_recipe

__version__ = "0.1.0"

# Loguru reads this when it is imported. Otherwise DataTrove's logs contain variable values, such as passwords in URLs.
os.environ.setdefault("LOGURU_DIAGNOSE", "NO")

_NAMES = {
    "finest.api.datasets": "refine select open_dataset verify Refined",
    "finest.api.pages": "judge extract",
    "finest.dataset.manifest": "Manifest",
    "finest.dataset.open": "Dataset",
    "finest.errors": (
        "FinestError UsageError WhereError SourceError SourceBusy RecipeError LedgerError RunError JobFailed "
        "VerifyError PageError HubError HubNotFound HubUnavailable ChainError DevnetError TaskServerError "
        "TaskServerUnavailable LeaseLost ClusterError ClusterUnavailable ModelError NeedsPerson NoRoom"
    ),
    "finest.pipeline.verify": "Verification",
    "finest.recipe.judge": "Verdict",
    "finest.recipe.page": "Page",
    "finest.recipe.recipe": "Recipe load_recipe",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = ["__version__", *_MODULE_OF]  # noqa: PLE0604 - the names are strings; tests/test_public.py holds them


if not TYPE_CHECKING:  # type checkers use the imports above instead, so they detect misspelt names

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'finest' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
