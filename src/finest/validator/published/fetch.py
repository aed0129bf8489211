"""Read published evidence from the Hub: a batch's manifest, and single records of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.dataset.hub import Hub, Revision
from finest.errors import VerifyError
from finest.validator.published.batch import MAX_MANIFEST_BYTES, Batch, Item, Place, read_batch, read_member

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.validator.models import Evidence


class PublishedBatch:
    """A batch on the Hub, whose manifest was checked: its root, its signature, and the form of each entry."""

    def __init__(self, hub: Hub, place: Place, batch: Batch) -> None:
        self._hub, self.place, self.batch = hub, place, batch

    @classmethod
    def open(
        cls, place: Place, say: Callable[[str], None] = lambda _: None, *, token: str | None = None
    ) -> PublishedBatch:
        """Read and check the manifest.

        Raises VerifyError if it is not the batch that `place` names, HubNotFound if there is no such revision, HubError
        or a subclass if the Hub does not respond.
        """
        hub = Hub(token, say)
        file = hub.file(Revision(place.repo, place.revision), place.manifest)
        if file is None:
            raise VerifyError(f"{place}: the revision has no such batch")
        if file.size_bytes > MAX_MANIFEST_BYTES:
            raise VerifyError(f"{place}: a manifest of {file.size_bytes:,} bytes is none of ours")
        data = hub.read(Revision(place.repo, place.revision), place.manifest, 0, file.size_bytes)
        return cls(hub, place, read_batch(data, place))

    def record(self, item: Item) -> Evidence:
        """Read and check one record: its hash and its signature. Raises VerifyError, HubError."""
        revision = Revision(self.place.repo, self.place.revision)
        end = item.offset + item.size
        if end > self.batch.records_bytes:
            raise VerifyError(f"{self.place}: the record of task {item.task} lies outside of its file")
        return read_member(self._hub.read(revision, self.place.records, item.offset, end), item, self.batch, self.place)

    def item(self, sha256: str) -> Item:
        """Return the entry of the record with this hash; raises VerifyError if there is none."""
        found = next((item for item in self.batch.items if item.sha256 == sha256), None)
        if found is None:
            raise VerifyError(f"{self.place}: the batch has no record {sha256}")
        return found

    def of_task(self, task_id: str) -> Item:
        """Return the entry of a task's record; raises VerifyError if there is none."""
        found = next((item for item in self.batch.items if item.task == task_id), None)
        if found is None:
            raise VerifyError(f"{self.place}: the batch has no record of task {task_id}")
        return found
