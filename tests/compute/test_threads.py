"""Small pieces of work share the cores, and BLAS gets its threads back."""

import threading

import pytest

from convergence.compute import threads
from convergence.compute.threads import SMALL, blas_threads_for, spread


def blas_threads():
    return max(library.num_threads for library in threads._blas().lib_controllers)


@pytest.fixture
def four_threads():
    with threads._blas().limit(limits=4):
        yield


def results(function, n_items, *, work):
    found = [None] * n_items
    spread(lambda k: found.__setitem__(k, function(k)), n_items, work=work)
    return found


@pytest.mark.parametrize("work", [1, SMALL + 1])
@pytest.mark.parametrize("n_items", [0, 1, 3, 500])
def test_every_item_is_done_once(four_threads, work, n_items):
    done = []
    spread(done.append, n_items, work=work)
    assert sorted(done) == list(range(n_items))


def test_small_work_runs_on_several_threads_with_one_blas_thread_each(four_threads):
    barrier = threading.Barrier(4, timeout=20)                      # passes only if four run at once
    seen = results(lambda k: (barrier.wait(), blas_threads(), threading.get_ident())[1:], 4, work=SMALL)
    assert {n for n, _ in seen} == {1} and len({thread for _, thread in seen}) == 4
    assert blas_threads() == 4


def test_large_work_keeps_all_threads_of_blas(four_threads):
    assert results(lambda k: (blas_threads(), threading.get_ident()), 2, work=SMALL + 1) == [(4, threading.get_ident())] * 2
    with blas_threads_for(SMALL + 1) as n_threads:
        assert blas_threads() == 4 and n_threads == 1


@pytest.mark.parametrize("bad", [0, 37])
def test_an_error_arrives_and_lifts_the_limit(four_threads, bad):
    def fail(k):
        if k == bad:
            raise ValueError(f"item {k}")

    with pytest.raises(ValueError, match=f"item {bad}"):
        spread(fail, 100, work=1)
    assert blas_threads() == 4


def test_two_users_at_once_leave_the_limit_as_it_was(four_threads):
    first, second = blas_threads_for(1), blas_threads_for(1)
    assert first.__enter__() == second.__enter__() == 4             # the second is told what BLAS had before the first
    first.__exit__(None, None, None)
    assert blas_threads() == 1                                      # the second is still at work
    second.__exit__(None, None, None)
    assert blas_threads() == 4
