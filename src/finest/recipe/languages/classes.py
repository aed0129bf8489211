"""The word tokenizers that DataTrove assigns to languages, the packages that they need, and those that we refuse."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import NamedTuple

from finest.errors import RecipeError


class TokenizerKey(NamedTuple):
    """One of DataTrove's word tokenizers: two languages with the same key have the same tokenizer."""

    name: str
    """The name of DataTrove's class, such as `SpaCyTokenizer`."""
    argument: str = ""
    """The language that DataTrove passes to the class, such as `de`; empty for a class without one."""


@dataclass(frozen=True)
class Needs:
    """The requirements of a tokenizer besides the packages that Finest Data always installs."""

    extra: str | None = None
    """The extra of `finest-data` that installs `packages`."""
    packages: tuple[str, ...] = ()
    """Distributions whose version can change a token; a recipe that uses the tokenizer records their versions."""
    refused: str | None = None
    """The reason why no installation of ours can run the tokenizer; None if one can."""
    how: str = ""
    """The command that installs the packages, if no extra can."""

    @property
    def command(self) -> str:
        """The command that installs what is needed; "" if nothing is."""
        return self.how or (f"pip install 'finest-data[{self.extra}]'" if self.extra else "")


_NOTHING = Needs()
_STANZA = Needs(refused="its tokenizer (Stanza) is a model that is fetched over the network when it is first used")
_URDU = Needs(refused="its tokenizer (IndicNLP for Urdu) needs urduhack, which needs TensorFlow")
_TIBETAN = Needs(refused="its tokenizer (botok) is a dictionary that is fetched over the network when it is first used")
_BY_CLASS = {
    "ThaiTokenizer": Needs("tha", ("pythainlp", "python-crfsuite")),
    "IndicNLPTokenizer": Needs("indic", ("indic-nlp-library",)),
    "KiwiTokenizer": Needs("kor", ("kiwipiepy", "kiwipiepy_model")),
    "KhmerTokenizer": Needs("khm", ("khmer-nltk", "python-crfsuite")),
    "LaoTokenizer": Needs("lao", ("laonlp", "pythainlp")),
    "BurmeseTokenizer": Needs(
        packages=("pyidaungsu-numpy2", "python-crfsuite", "emoji"),
        how="pip install emoji==2.16.0 python-crfsuite==0.9.12 && pip install --no-deps pyidaungsu-numpy2==0.1.4",
    ),
    "StanzaTokenizer": _STANZA,
    "TibetanTokenizer": _TIBETAN,
}
_BY_KEY = {
    TokenizerKey("SpaCyTokenizer", "zh"): Needs("zho", ("jieba",)),
    TokenizerKey("SpaCyTokenizer", "ja"): Needs("jpn", ("sudachipy", "sudachidict-core")),
    TokenizerKey("SpaCyTokenizer", "vi"): Needs("vie", ("pyvi", "sklearn-crfsuite", "python-crfsuite")),
    TokenizerKey("IndicNLPTokenizer", "ur"): _URDU,
}


def needs(key: TokenizerKey) -> Needs:
    """Return what the tokenizer needs, or why it is refused."""
    return _BY_KEY.get(key) or _BY_CLASS.get(key.name, _NOTHING)


def require(key: TokenizerKey, code: str) -> None:
    """Raise RecipeError if the tokenizer of the language `code` is refused, or if one of its packages is missing."""
    needed = needs(key)
    if needed.refused:
        raise RecipeError(f"language {code} is not supported: {needed.refused}")
    for package in needed.packages:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError as error:
            raise RecipeError(
                f"language {code} needs the package {package}, which is not installed; install it with: "
                f"{needed.command}"
            ) from error
