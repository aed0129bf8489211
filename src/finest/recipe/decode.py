"""From payload bytes to HTML text.

`standard`: the encoding is, in this order, that of a byte order mark, the one that HTTP's Content-Type names, the one
that the page names in a `<meta>` or an XML declaration, and the one that the bytes look like. Labels and decoding are
those of the WHATWG Encoding Standard: what is wrong becomes U+FFFD.

`datatrove`: UTF-8, else what cchardet takes the bytes for, and no text where a single byte does not fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cchardet

from finest.recipe.payload.as_datatrove import decode_by_guess
from finest.recipe.payload.decoders import decode_as
from finest.recipe.payload.labels import encoding_of
from finest.recipe.payload.prescan import declared_encoding

if TYPE_CHECKING:
    from finest.recipe.payload import Response
    from finest.recipe.recipe import DecodeRules

