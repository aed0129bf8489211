"""Select rows with an expression such as `edu >= 12 AND language = 'en'`: SQL's WHERE, cut down to what is safe.

    where = bind(parse("edu >= 12"), batch.schema)
    where.mask(batch)        # a boolean for each row: true where the expression is true

The package knows nothing of datasets: it reads a text and evaluates it on record batches of any schema. Manifests with
expressions come from strangers, so an expression has a bounded length, calls no function outside of a short list, takes
time proportional to the rows, and never fails on a value. docs/reference/where.md is its reference.
"""

from finest.where.bind import Where, bind
from finest.where.nodes import Expression
from finest.where.parse import MAX_CHARS, parse

__all__ = ["MAX_CHARS", "Expression", "Where", "bind", "parse"]
