"""Layers side by side: the same results in the same order, and nothing left running."""

from __future__ import annotations

import threading

import pytest
import torch

from optlab.parallel import in_parallel

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("most", [1, 2, 8])
def test_results_come_in_order(most: int) -> None:
    with in_parallel(lambda x: x * x, range(50), CPU, most) as found:
        assert list(found) == [x * x for x in range(50)]


def test_two_are_under_way_at_once() -> None:
    both = threading.Barrier(2, timeout=20)

    def met(item: int) -> int:
        both.wait()  # raises unless a second thread arrives
        return item

    with in_parallel(met, range(6), CPU) as found:
        assert list(found) == list(range(6))


def test_with_one_at_a_time_an_item_waits_until_the_result_before_it_was_used() -> None:
    done: list[int] = []
    with in_parallel(lambda x: list(done), range(5), CPU, 1) as found:
        for number, seen in enumerate(found):
            assert seen == list(range(number))
            done.append(number)


def test_threads_are_shared_out_and_given_back() -> None:
    with in_parallel(lambda _: (torch.get_num_threads(), torch.is_grad_enabled()), range(4), CPU) as found:
        assert set(found) == {(1, False)}
    assert torch.get_num_threads() == 2
    seen: list[int] = []
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [2]


def test_an_error_arrives_where_the_result_is_asked_for_and_the_rest_is_dropped() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise ValueError("no")
        return item

    with pytest.raises(ValueError, match="no"), in_parallel(work, range(1000), CPU) as found:
        list(found)
    assert len(begun) < 20


def test_leaving_early_drops_what_has_not_begun() -> None:
    begun: list[int] = []
    with in_parallel(begun.append, range(1000), CPU) as found:
        next(found)
    assert len(begun) < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("layers")]


def test_threads_that_are_taken_away_before_the_first_result_do_no_harm() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        with in_parallel(lambda item: item + 1, range(5), torch.device("cpu")) as results:
            torch.set_num_threads(1)  # a neighbour came
            assert list(results) == [1, 2, 3, 4, 5]
    finally:
        torch.set_num_threads(threads)
