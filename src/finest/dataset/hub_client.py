"""Settings of huggingface_hub, the Hub's own client, in finest's processes."""

from __future__ import annotations


def quiet_client() -> None:
    """Disable huggingface_hub's progress bars and warnings: finest reports progress itself, without signed URLs."""
    from huggingface_hub.utils import disable_progress_bars, logging  # type: ignore[attr-defined]

    disable_progress_bars()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
