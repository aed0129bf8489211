"""How huggingface_hub, the Hub's own client, behaves in our processes."""

from __future__ import annotations


def quiet_client() -> None:
    """huggingface_hub's own bars and warnings away: the commands say what a person needs, and no signed address."""
    from huggingface_hub.utils import disable_progress_bars, logging  # type: ignore[attr-defined]

    disable_progress_bars()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
