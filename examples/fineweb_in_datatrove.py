"""FineWeb with DataTrove's own steps: what its examples/fineweb.py does to a WARC file, before deduplication.

    python examples/fineweb_in_datatrove.py crawl/ kept/

Beside it: examples/fineweb.py, the same in Finest Data. This one needs the packages that DataTrove asks for
(fasttext-numpy2-wheel, nltk, python-magic, warcio) and downloads a language model of 131 MB.
"""

from __future__ import annotations

import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
    URLFilter,
)
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers import JsonlWriter


def main(folder: str, out: str) -> None:
    """Refine the WARC files of a folder."""
    LocalPipelineExecutor(
        pipeline=[
            WarcReader(folder, glob_pattern="*.warc.gz"),
            URLFilter(),
            Trafilatura(favour_precision=True),
            LanguageFilter(languages=["en"]),
            GopherRepetitionFilter(),
            GopherQualityFilter(),
            C4QualityFilter(filter_no_terminal_punct=False),
            FineWebQualityFilter(),
            JsonlWriter(out),
        ],
        tasks=1,
        logging_dir=f"{out}/logs",
    ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
