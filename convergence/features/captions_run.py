"""Running captioning jobs, and writing the tables that follow from their tables.

    run_captions(jobs, skip_bad=False)              # UnitsFailed names the pictures without an answer
"""

from convergence.features.captions import content_of, read_captions
from convergence.features.picture_runs import run_pictures
from convergence.tasks import Unit


def run_captions(jobs, *, parquet=False, **how):
    """Run the jobs of `caption_jobs`.

    Parameters
    ----------
    jobs : list of dict
    parquet : bool
        Write every table as .parquet, too.
    how
        overwrite, dry_run, skip_bad: see picture_runs.run_pictures, also for what is raised.
    """
    def following():
        twins = [Unit(**_twin(job)) for job in jobs if parquet]
        content = content_of(jobs)
        return twins + ([Unit(**content)] if content else [])
    run_pictures(jobs, title="captions", lacking="an answer", following=following, **how)


def _twin(job):
    output = job["output"].with_suffix(".parquet")
    return dict(name=output.name, output=output, function=read_captions, places={"path": job["output"]}, inputs=(job["output"],))
