"""Dask clients: threads or processes here, SLURM workers, or a scheduler that already runs."""


def client(scheduler, jobs=1):
    """A dask.distributed.Client; a context manager that also closes what it started.

    scheduler: "threads" (jobs threads in this process), "processes" (jobs processes of one thread, for work that holds Python's
    lock), "slurm" (jobs workers through dask-jobqueue, resources from Dask's own configuration), or the address of a running
    scheduler, "tcp://host:port".
    """
    from dask.distributed import Client

    if scheduler == "threads":
        return Client(processes=False, n_workers=1, threads_per_worker=max(jobs, 1), dashboard_address=None)
    if scheduler == "processes":
        return Client(processes=True, n_workers=max(jobs, 1), threads_per_worker=1, dashboard_address=None)
    if scheduler == "slurm":
        from dask_jobqueue import SLURMCluster
        cluster = SLURMCluster()
        cluster.scale(max(jobs, 1))
        return Client(cluster)
    if scheduler.startswith(("tcp://", "tls://")):
        try:
            return Client(scheduler, timeout=20)
        except OSError as error:
            raise ValueError(f"scheduler: no Dask scheduler answers at {scheduler} ({error}); start one with: dask scheduler") from error
    raise ValueError(f"scheduler: {scheduler!r} is unknown; use local, threads, slurm or tcp://host:port")
