"""Finest Data's steps for DataTrove pipelines; combine them with DataTrove's own steps, in any of its executors.

    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.writers import JsonlWriter
    from finest.datatrove import RecipeFilter, WarcPages

    LocalPipelineExecutor([WarcPages("crawl/*.warc.gz"), RecipeFilter("fineweb"), JsonlWriter("kept")], tasks=8).run()

Extractors and filters have the names of DataTrove's and, with recipe `fineweb`, make the same decisions: change only
the import. They take their thresholds from a recipe instead of arguments. docs/reference/reasons.md explains the
reasons of drops.
"""

from __future__ import annotations

from finest.datatrove.extractors import Blocks, StructuredBlocks, Trafilatura
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
    "LanguageFilter", "LanguageGate", "MinhashDedupSignature", "PayloadFilter", "RecipeFilter",
    "StructuredBlocks", "Trafilatura", "URLFilter", "WarcPages",
]  # fmt: skip
