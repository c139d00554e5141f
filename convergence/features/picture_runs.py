"""Running jobs that look at every picture with a model: what is done, and what is to be tried again.

    run_pictures(jobs, title="captions", lacking="an answer", following=tables_of)      # UnitsFailed names the pictures

A job (keyword arguments of ``tasks.Unit``) has among its places the dataset, `checkpoint`, and `account`: the table with the
columns `status` and `reason`, a row per picture. Pictures whose status is not ok are tried again by the next run.
"""

from pathlib import Path

from convergence.tasks import Unit, UnitsFailed, run_units

_SHOWN = 10


def run_pictures(jobs, *, title, lacking, following=None, overwrite=False, dry_run=False, skip_bad=False):
    """Run jobs; pictures that an earlier run left without a result are tried again.

    Parameters
    ----------
    jobs : list of dict
    title : str
        What progress and messages say.
    lacking : str
        What a picture whose status is not ok is without: "an answer".
    following : callable, optional
        Returns the units of tables that are made from these; asked after the jobs have run.
    overwrite : bool
        Begin at the first picture, the results of a stopped run are thrown away.
    dry_run : bool
        Print what would be done, do nothing.
    skip_bad : bool
        Accept tables as they are: pictures without a result are not tried again, and are no error.

    Raises
    ------
    UnitsFailed
        A model could not be used, or pictures are without a result; the tables are written in the latter case.
    """
    if overwrite and not dry_run:
        for job in jobs:
            Path(job["places"]["checkpoint"]).unlink(missing_ok=True)
    again = [] if overwrite or skip_bad else [job for job in jobs if job["output"].exists() and _left(job)]
    for job in again:
        print(f"{title}: {job['name']}: {_left(job)} pictures without {lacking}; tried again")
    run_units([Unit(**job) for job in jobs if job not in again], title=title, overwrite=overwrite, dry_run=dry_run)
    run_units([Unit(**job) for job in again], title=f"{title}, again", overwrite=True, dry_run=dry_run)
    if dry_run:
        return
    if following is not None:
        run_units(following(), title="tables")
    told = [sentence for job in jobs if (sentence := _account(job))]
    if told and not skip_bad:
        raise UnitsFailed("\n".join([f"{title}: pictures without {lacking} (the same command tries again; --skip-bad accepts the "
                                     "tables as they are):", *told]))
    for sentence in told:
        print(sentence)


def _status(job):
    """The table of a job that has a row per picture, or None where it is not there."""
    import pandas

    path = Path(job["places"]["account"])
    if not path.exists():
        return None
    return pandas.read_csv(path, keep_default_na=False) if path.suffix == ".csv" else pandas.read_parquet(path)


def _left(job):
    """How many pictures are without a result; 1 where that is not known."""
    table = _status(job)
    return 1 if table is None else int((table["status"] != "ok").sum())


def _account(job):
    """What is missing in a table, by reason; "" for nothing. Its checkpoint goes when nothing is."""
    table = _status(job)
    missing = table[table["status"] != "ok"]
    if missing.empty:
        Path(job["places"]["checkpoint"]).unlink(missing_ok=True)
        return ""
    key, lines = job["places"]["dataset"].image_key, []
    for (status, reason), rows in missing.groupby(["status", "reason"], sort=False):
        ids = rows[key].astype(str).tolist()
        shown = ", ".join(ids[:_SHOWN]) + (f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else "")
        lines.append(f"    {status}: {key} {shown}: {reason}")
    more = [f"    and {len(lines) - _SHOWN} more reasons, in the table"] if len(lines) > _SHOWN else []
    first = f"  {job['name']}: {len(missing)} of {len(table)} pictures, in {job['places']['account']}"
    return "\n".join([first, *lines[:_SHOWN], *more])
