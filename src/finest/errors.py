"""Every error that Finest Data raises on purpose.

    FinestError                a person can act on it; the command line prints it as one line
    ├── UsageError             the command or its arguments make no sense                     exit 2
    ├── SourceError            a source cannot be named, found, opened or read                exit 3
    ├── RecipeError            a recipe file is wrong, or asks for what is not installed      exit 4
    ├── LedgerError            the output folder belongs to another run, recipe or process    exit 5
    ├── RunError               a run stopped: too many failures, disk full, worker crashed    exit 6
    └── VerifyError            a dataset is not what its manifest says                        exit 7

A message says what, where, and the command that mends it.
"""

from __future__ import annotations


class FinestError(Exception):
    """Base of all; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(FinestError):
    exit_code = 2


class SourceError(FinestError):
    exit_code = 3


class RecipeError(FinestError):
    exit_code = 4


class LedgerError(FinestError):
    exit_code = 5


class RunError(FinestError):
    exit_code = 6


class VerifyError(FinestError):
    exit_code = 7
