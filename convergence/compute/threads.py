"""Many small products on a CPU: one per thread, each with one thread of BLAS.

Several threads inside one small product wait for each other longer than they compute; on a machine that others use too they can
be a hundred times slower than one. So small pieces of work share the cores among them, and only a large product has all cores
to itself.

    spread(function, n_items, work=work)            # function(k) for every k, in several threads if one call is little work
    with blas_threads_for(work): ...                # or just one thread of BLAS for little work
"""

import contextlib
import functools
import threading
from concurrent.futures import ThreadPoolExecutor

SMALL = 1e8                     # multiplications of one product: one or two milliseconds on one core


def spread(function, n_items, *, work):
    """Call function(k) for k = 0 ... n_items - 1; what it makes, it stores itself.

    Parameters
    ----------
    function : callable
        NumPy work that may run in a thread; calls must not depend on each other.
    n_items : int
    work : float
        Multiplications of the largest product in `function`. Up to SMALL, the calls are spread over as many threads as BLAS
        has; above, they come one after the other.
    """
    items = iter(range(n_items))

    def run():
        for k in items:                                             # each k goes to one of the threads
            function(k)

    with blas_threads_for(work) as n_threads:
        n_threads = min(n_threads, n_items)
        if n_threads < 2:
            run()
            return
        with ThreadPoolExecutor(n_threads) as pool:
            for done in [pool.submit(run) for _ in range(n_threads)]:
                done.result()                                       # raises what was raised there


@contextlib.contextmanager
def blas_threads_for(work):
    """One thread of BLAS inside the block if `work` is at most SMALL, else all; yields how many threads that leaves to spread
    work over."""
    if work > SMALL:
        yield 1
    else:
        with _one_blas_thread() as n_threads:
            yield n_threads


class _Limit:
    """The limit is one per process: the first who needs it sets it, the last who leaves lifts it."""

    lock = threading.Lock()
    users = 0
    n_threads = 1
    lift = None


@contextlib.contextmanager
def _one_blas_thread():
    """Limit BLAS to one thread; yields the number that it had."""
    with _Limit.lock:
        if not _Limit.users:
            _Limit.n_threads = max((library.num_threads for library in _blas().lib_controllers), default=1)
            _Limit.lift = _blas().limit(limits=1).restore_original_limits
        _Limit.users += 1
    try:
        yield _Limit.n_threads
    finally:
        with _Limit.lock:
            _Limit.users -= 1
            if not _Limit.users:
                _Limit.lift()


@functools.cache
def _blas():
    """NumPy's BLAS; finding it takes some milliseconds."""
    from threadpoolctl import ThreadpoolController
    return ThreadpoolController().select(user_api="blas")
