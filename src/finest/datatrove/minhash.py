"""MinHash signatures, in DataTrove's files."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from datatrove.io import DataFolderLike
from datatrove.pipeline.dedup import MinhashConfig
from datatrove.pipeline.dedup import MinhashDedupSignature as DataTroveSignature
from datatrove.utils.text import TextNormConfig
from datatrove.utils.typeshelper import Languages

from finest.errors import UsageError
from finest.recipe.minhash import Signer
from finest.recipe.recipe import DedupRules
from finest.recipe.words import Tokenizer


class MinhashDedupSignature(DataTroveSignature):
    """DataTrove's step of that name, several times faster: the files are equal byte for byte.

    DataTrove's own `MinhashDedupBuckets`, `MinhashDedupCluster` and `MinhashDedupFilter` continue from them, with the
    same `config`. Raises UsageError for what is not done here: hashes of 32 bits, another normalisation of text than
    DataTrove's default, and other languages than English.
    """

    name = "🎯 Finest MinHash stage 1"

    def __init__(
        self, output_folder: DataFolderLike, config: MinhashConfig | None = None, *,
        language: str = Languages.english, skip_existing_sigs: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(output_folder, config, language, skip_existing_sigs)
        chosen = self.config
        if (
            chosen.hash_config.precision != 64
            or chosen.norm_config != TextNormConfig()
            or language != Languages.english
        ):
            raise UsageError(
                "MinHash signatures are made here with 64-bit hashes, DataTrove's default TextNormConfig, of English "
                "text; for anything else use DataTrove's own MinhashDedupSignature"
            )
        self.dedup = DedupRules(
            buckets=chosen.num_buckets, hashes_per_bucket=chosen.hashes_per_bucket, n_grams=chosen.n_grams,
            seed=chosen.seed, hash=chosen.hash_config.hash_fc,
        )  # fmt: skip

    def get_shingles(self, text: str) -> npt.NDArray[np.uint64]:
        """The finished signature, which `get_signature` passes on; empty where the text is too short for a shingle."""
        signature = _signer(self.dedup).sign(text, _tokenizer())
        return np.zeros(0, np.uint64) if signature is None else signature

    def get_signature(self, shingles: npt.NDArray[np.uint64]) -> list[list[int]]:
        """The hashes, bucket by bucket."""
        hashes: list[list[int]] = shingles.tolist()
        return hashes


_signer = lru_cache(maxsize=4)(Signer)


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    return Tokenizer()
