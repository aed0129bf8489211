"""How slices are cut into blocks and handed to workers."""

from __future__ import annotations

import pytest

from finest.pipeline.queue import Queue, cut, queue_of, spans_of


@pytest.mark.parametrize("workers", [1, 2, 7, 500])
def test_blocks_cover_each_slice_once_and_no_two_sources(workers: int) -> None:
    """Whatever the number of workers, and with slices missing in between."""
    ranks = [rank for rank in range(3000) if rank % 41]
    blocks = cut(spans_of(ranks), range(0, 3001, 30), workers)
    assert [rank for block in blocks for rank in block] == ranks
    assert all(block[0] // 30 == block[-1] // 30 for block in blocks)


def test_a_crawl_is_cut_at_its_sources_and_finely_at_the_end() -> None:
    """Most blocks are whole sources; the last ones are single slices, so that no worker waits long for another."""
    blocks = cut([range(30 * 5000)], range(0, 30 * 5000 + 1, 30), 500)
    whole = [block for block in blocks if len(block) == 30]
    assert len(whole) > 0.75 * 5000
    assert all(len(block) == 1 for block in blocks[-500:])
    assert len(blocks) < 3 * 5000


def test_spans_of_numbers() -> None:
    """The missing slices of a whole crawl are few ranges."""
    assert spans_of([]) == []
    assert spans_of([3, 4, 5, 9, 11, 12]) == [range(3, 6), range(9, 10), range(11, 13)]


def test_few_sources_occupy_many_workers() -> None:
    """Four sources of 24 slices: each of 16 workers gets some at once."""
    blocks = cut([range(96)], range(0, 97, 24), 16)
    assert len(blocks[0]) == 3
    assert len(blocks) >= 2 * 16


def test_a_worker_reads_on_where_it_ended() -> None:
    """Each worker gets the slices of its block in their order, whatever the other does."""
    queue = queue_of([range(3), range(3, 5)])
    assert [queue.next(0), queue.next(1), queue.next(0), queue.next(1), queue.next(0)] == [0, 3, 1, 4, 2]
    assert queue.next(0) is queue.next(1) is None


def test_the_last_slice_that_a_worker_reads_on_to_is_known() -> None:
    """It is the last of its block; one worker alone reads each source as a whole."""
    queue = queue_of([range(3), range(5, 9)])
    assert [queue.last(rank) for rank in (0, 2, 5, 8)] == [2, 2, 8, 8]
    assert cut([range(9)], [0, 4, 8, 9], 1) == [range(4), range(4, 8), range(8, 9)]


def test_what_another_has_taken_is_left_out() -> None:
    """Also out of a block that a worker has begun."""
    all_blocks = [range(4), range(4, 6)]
    blocks = iter(all_blocks)
    taken = {1}
    queue = Queue(all_blocks, lambda: next(blocks, None), taken.__contains__)
    assert [queue.next(0), queue.next(0)] == [0, 2]
    taken.add(3)
    assert [queue.next(0), queue.next(0), queue.next(0)] == [4, 5, None]
