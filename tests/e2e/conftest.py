"""The real Slurm of this folder's tests."""

from __future__ import annotations

from tests.cluster.real_slurm import one_slurm, slurm_cluster

__all__ = ["one_slurm", "slurm_cluster"]
