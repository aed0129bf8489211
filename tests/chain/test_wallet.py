"""The hotkey, as `btcli` stores it."""

from __future__ import annotations

import io
import json
import logging
import pickle
import traceback
from pathlib import Path

import pytest

bt = pytest.importorskip("bittensor")

from finest.chain.errors import WalletError  # noqa: E402
from finest.chain.options import ChainOptions  # noqa: E402
from finest.chain.wallet import open_hotkey  # noqa: E402


def options(folder: Path) -> ChainOptions:
    return ChainOptions(wallet_name="cold", wallet_hotkey="hot", wallet_path=folder)


def wallet(folder: Path, **hotkey: object) -> bt.Wallet:
    made = bt.Wallet("cold", "hot", str(folder))
    made.create_new_coldkey(use_password=False, suppress=True)
    made.create_new_hotkey(suppress=True, **hotkey)
    return made


def test_a_btcli_wallet_signs(tmp_path: Path) -> None:
    """What `btcli wallet create` leaves on disk is opened, and its signature holds."""
    made = wallet(tmp_path)
    hotkey = open_hotkey(options(tmp_path))
    assert hotkey.address == made.hotkey.ss58_address
    assert made.hotkey.verify(b"message", hotkey.sign(b"message"))


def test_the_coldkey_is_not_needed(tmp_path: Path) -> None:
    """A miner's machine may hold the hotkey alone."""
    wallet(tmp_path)
    (tmp_path / "cold" / "coldkey").unlink()
    (tmp_path / "cold" / "coldkeypub.txt").unlink()
    assert open_hotkey(options(tmp_path)).address


def test_a_missing_wallet_says_how_to_make_one(tmp_path: Path) -> None:
    """One line, with the command."""
    with pytest.raises(WalletError) as caught:
        open_hotkey(options(tmp_path))
    assert str(caught.value) == (
        f"hotkey 'hot' of wallet 'cold' in {tmp_path} does not exist; create it: "
        f"btcli wallet create --wallet cold --wallet-hotkey hot --wallet-path {tmp_path}"
    )


def test_a_missing_hotkey_of_a_wallet_says_how_to_make_one(tmp_path: Path) -> None:
    """Not a new coldkey beside the one that is there."""
    made = wallet(tmp_path)
    Path(made.hotkey_file.path).unlink()
    with pytest.raises(WalletError, match="btcli wallet new-hotkey --wallet cold --wallet-hotkey hot"):
        open_hotkey(options(tmp_path))


@pytest.mark.nightly
def test_a_password_protected_hotkey_is_refused_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is there to type: one line instead of a prompt; the SDK's own variable for passwords works."""
    made = wallet(tmp_path, hotkey_password="secret-password")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(WalletError, match=r"has a password.*btcli wallet regen-hotkey .*--overwrite"):
        open_hotkey(options(tmp_path))
    made.hotkey_file.save_password_to_env("secret-password")
    try:
        assert open_hotkey(options(tmp_path)).address == made.hotkey.ss58_address
    finally:
        made.hotkey_file.remove_password_from_env()


@pytest.mark.parametrize("content", [b"", b"no json", b"{}", b'{"secretSeed": "0x12"}', b"\xff\xfe", b"[1]"])
def test_a_broken_key_file_is_one_line_that_quotes_nothing(tmp_path: Path, content: bytes) -> None:
    """What a key file holds never reaches a message or a traceback."""
    made = wallet(tmp_path)
    Path(made.hotkey_file.path).write_bytes(content)
    with pytest.raises(
        WalletError, match="is not a readable key file; restore it: btcli wallet regen-hotkey"
    ) as caught:
        open_hotkey(options(tmp_path))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_another_scheme_is_refused(tmp_path: Path) -> None:
    """Requests are signed with sr25519 alone."""
    wallet(tmp_path, crypto_type=0)
    with pytest.raises(WalletError, match="is not sr25519"):
        open_hotkey(options(tmp_path))


def secrets_of(made: bt.Wallet) -> list[str]:
    stored = json.loads(Path(made.hotkey_file.path).read_text())
    return [str(value).removeprefix("0x") for name, value in stored.items() if "secret" in name or "private" in name]


def test_nothing_secret_is_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No repr, string, traceback or log record of any level holds the key or its words."""
    made = wallet(tmp_path)
    with caplog.at_level(logging.DEBUG):
        hotkey = open_hotkey(options(tmp_path))
        hotkey.sign(b"message")
        try:
            raise RuntimeError(hotkey)
        except RuntimeError:
            shown = [repr(hotkey), str(hotkey), f"{hotkey:}", traceback.format_exc()]
    secrets = secrets_of(made)
    assert len(secrets) >= 2
    for secret in secrets:
        assert not any(secret in text for text in [*shown, caplog.text, repr(hotkey.signer), repr(made)])


def test_a_hotkey_is_not_copied_to_other_processes(tmp_path: Path) -> None:
    """Pickling would carry the key out of its wallet."""
    wallet(tmp_path)
    with pytest.raises(TypeError, match="open it there"):
        pickle.dumps(open_hotkey(options(tmp_path)))
