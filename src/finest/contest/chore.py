"""The validator's chore that sets the weights of mechanism 1 from what stands in the competition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from finest.chain.errors import NoPermit, NotRegistered, RateLimited
from finest.contest.standing import read_standing, weights

if TYPE_CHECKING:
    from finest.chain.subnet import Chain

MECHANISM = 1
LATER_S = 600.0


class RecipeWeights:
    """Sets the weights of mechanism 1: the winners' pay, and the rest to the subnet's owner, which the chain burns."""

    def __init__(self, standing: Path, chain: Chain, say: Callable[[str], None]) -> None:
        self._standing, self._chain, self._say = standing, chain, say

    def round(self) -> float:
        """Set the weights once, and return the seconds until they are due again. Raises ChainError, UsageError."""
        if self._chain.mechanisms() <= MECHANISM:
            self._say("The subnet has no second mechanism, so the recipe competition has no weights")
            return LATER_S
        view = self._chain.view(max_age_s=0)
        found = weights(read_standing(self._standing), view.block, view.owner_hotkey)
        away = [hotkey for hotkey in found if view.neuron(hotkey) is None]
        if view.owner_hotkey in away:
            self._say("The subnet's owner has no seat, so nothing can be burned and no weights of mechanism 1 are set")
            return LATER_S
        for hotkey in away:
            found[view.owner_hotkey] = found.get(view.owner_hotkey, 0.0) + found.pop(hotkey)
        try:
            receipt = self._chain.set_weights(found, mechanism=MECHANISM)
        except RateLimited as error:
            return max(1, error.retry_after_blocks) * view.block_time_s
        except (NotRegistered, NoPermit) as error:
            self._say(f"The weights of mechanism 1 could not be set: {error}")
            return LATER_S
        burned = found.get(view.owner_hotkey, 0.0)
        self._say(f"Weights of mechanism 1 set in block {receipt.block}: {burned:.1%} are burned")
        return view.tempo_blocks * view.block_time_s
