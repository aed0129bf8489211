"""Finest Data's steps for DataTrove pipelines: put them beside DataTrove's own steps, in any of its executors.

    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.writers import JsonlWriter
    from finest.datatrove import RecipeFilter, WarcPages

    LocalPipelineExecutor([WarcPages("crawl/*.warc.gz"), RecipeFilter("fineweb"), JsonlWriter("kept")], tasks=8).run()

Extractors and filters are called as DataTrove's are, and decide the same with recipe `fineweb`: change the import. They
take their thresholds from a recipe instead of arguments. Reasons of drops are those of docs/reference/reasons.md.
"""

from __future__ import annotations

from finest.datatrove.extractors import Blocks, Trafilatura
from finest.datatrove.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
    LanguageGate,
    PayloadFilter,
    URLFilter,
)
from finest.datatrove.minhash import MinhashDedupSignature
from finest.datatrove.reader import WarcPages
from finest.datatrove.whole import RecipeFilter

__all__ = [
    "Blocks", "C4QualityFilter", "FineWebQualityFilter", "GopherQualityFilter", "GopherRepetitionFilter",
    "LanguageFilter", "LanguageGate", "MinhashDedupSignature", "PayloadFilter", "RecipeFilter", "Trafilatura",
    "URLFilter", "WarcPages",
]  # fmt: skip
