"""Nothing is published that names a source with a password or a signature."""

from __future__ import annotations

from pathlib import Path

import pytest

from finest.dataset.card import CARD_NAME
from finest.dataset.manifest import read_manifest, write_manifest
from finest.dataset.publish import _refuse_secrets_in_files, publish
from finest.errors import VerifyError

from . import made
from .made import make_dataset

SECRET = "https://u:5ecret@h/a.warc.gz?X-Amz-Signature=5ignature"


def test_an_older_manifest_with_secrets_is_refused(tmp_path: Path) -> None:
    """Before anybody is asked anything; the way out is said, the secret is not."""
    manifest = make_dataset(tmp_path).manifest
    source = manifest.sources[0].model_copy(update={"name": SECRET})
    write_manifest(tmp_path, manifest.model_copy(update={"sources": (source,)}))
    with pytest.raises(VerifyError, match=r"https://h/a\.warc\.gz is named with .*--restart") as found:
        publish(tmp_path, "alice/web")
    assert "5" not in str(found.value)


def test_rows_with_secrets_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest that was cleaned by hand does not help."""
    monkeypatch.setattr(made, "WARC", SECRET)
    manifest = make_dataset(tmp_path).manifest
    with pytest.raises(VerifyError, match="is named with"):
        _refuse_secrets_in_files(tmp_path, manifest)


def test_a_card_with_secrets_is_refused(tmp_path: Path) -> None:
    """Nor may the card that lies there hold one."""
    make_dataset(tmp_path)
    manifest = read_manifest(tmp_path)
    _refuse_secrets_in_files(tmp_path, manifest)
    (tmp_path / CARD_NAME).write_text(f"Made of {SECRET}.")
    with pytest.raises(VerifyError, match="cut it out"):
        _refuse_secrets_in_files(tmp_path, manifest)
