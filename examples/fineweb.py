"""FineWeb in 20 lines: WARC files to a deduplicated dataset that proves what it is.

    python examples/fineweb.py crawl/ my-dataset

DataTrove's way to the same pages is examples/fineweb_in_datatrove.py; deduplication takes it four more pipelines.
"""

from __future__ import annotations

import sys

import finest


def main(warcs: str, out: str) -> None:
    """Refine, then judge some of the pages again."""
    refined = finest.refine(warcs, out, recipe="fineweb")
    print(f"{refined.rows} of {refined.pages} pages kept, {refined.tokens} tokens, root {refined.root}")
    for reason, count in sorted(refined.counts.items(), key=lambda item: -item[1])[:5]:
        print(f"{count:6} {reason}")
    found = finest.verify(out, sample=16, sources=[warcs])
    print("verified" if found.is_verified else "too few pages could be judged again")


if __name__ == "__main__":
    main(*sys.argv[1:])
