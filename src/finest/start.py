"""The entry point of the command `finest`, which imports nothing before Ctrl-C is quiet."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line; Ctrl-C while its modules are imported ends the process by the signal, without a traceback.

    An ignored SIGINT (`nohup`, a script's `&`) stays ignored.
    """
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from finest.cli import main as run

    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
