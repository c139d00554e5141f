"""The units of work that bring one subject's set of matrices up to what is asked for: labels, sessions, the set.

    extract(dataset, subject, labels, source, ...)
"""

from convergence.datasets.nsd import files


def extract(dataset, subject, labels, source, *, sessions=None, scheduler="local", jobs=1, overwrite=False, dry_run=False):
    """Bring one subject's set of matrices of one source up to what is asked for.

    Parameters
    ----------
    dataset : NSD
    subject : int
    labels : list of int
        Numbers of parcels.
    source : Source
    sessions : list of int, optional
        Default: all with a beta file.
    scheduler, jobs, overwrite, dry_run
        See `tasks.run_units`.

    Raises
    ------
    ValueError, UnitsFailed
        What was asked for is not there, or files are not what they should be.
    """
    from convergence.datasets.nsd.betas import make_plan, remove_session_matrices
    from convergence.tasks import run_units

    scheduler = "threads" if scheduler == "local" and jobs > 1 else scheduler
    redo = {"overwrite": overwrite, "dry_run": dry_run}
    run_units([_label_unit(dataset, subject, source)], title=f"subject {subject}, labels", **redo)
    plan = make_plan(dataset, subject, labels, source=source, sessions=sessions, fresh=overwrite)
    if plan.left_out:
        print(f"subject {subject}: sessions {plan.left_out} have no beta file; the matrices have no rows for them")
    run_units(_session_units(dataset, plan, source), title=f"subject {subject}, sessions", scheduler=scheduler, jobs=jobs, **redo)
    run_units([_set_unit(dataset, plan, source)], title=f"subject {subject}, matrices", **redo)
    if not dry_run:
        remove_session_matrices(dataset.work, subject, source)
        _say_what_is_kept(dataset, subject, source)


def _say_what_is_kept(dataset, subject, source):
    """A line about the voxels that a selection left, and the parcels that it emptied."""
    from convergence.datasets.nsd.betas import read_manifest

    parcels = read_manifest(dataset.work, subject, source)["parcels"]
    chosen = {label: entry for label, entry in parcels.items() if "n_voxels_before" in entry}
    if not chosen:
        return
    kept, before = (sum(entry[key] for entry in chosen.values()) for key in ("n_voxels", "n_voxels_before"))
    emptied = [label for label, entry in chosen.items() if entry["n_voxels_before"] and not entry["n_voxels"]]
    lost = f"; no voxel is left in {len(emptied)} of {len(chosen)} parcels ({', '.join(emptied[:8])})" if emptied else ""
    print(f"subject {subject}: {kept:,} of {before:,} voxels are kept{lost}")


def _label_unit(dataset, subject, source):
    from convergence.datasets.nsd.volumes import label_sources, write_joined_labels
    from convergence.tasks import Unit

    n_areas = int((dataset.atlas()["hemisphere"] == "lh").sum())
    source = files.Source(resolution=source.resolution, volume=source.volume)                # labels depend on nothing else
    return Unit("both hemispheres", dataset.work / files.joined_label_file(subject, source), write_joined_labels,
                {"subject": subject, "n_areas": n_areas, **_unusual(source)}, {"root": dataset.root},
                label_sources(dataset.root, subject, source))


def _session_units(dataset, plan, source):
    from convergence.datasets.nsd.betas import session_matrix
    from convergence.datasets.nsd.volumes import label_sources
    from convergence.tasks import Unit

    places = {"root": dataset.root, "work": dataset.work}
    return [Unit(f"session {session}", dataset.work / files.session_matrix_file(plan.subject, session, source), session_matrix,
                 {"subject": plan.subject, "session": session, "labels": plan.labels, "rows": plan.rows[session],
                  **_unusual(source)}, places, (files.beta_path(dataset.root, plan.subject, session, source),
                          *label_sources(dataset.root, plan.subject, source)))
            for session in plan.to_read]


def _set_unit(dataset, plan, source):
    from convergence.datasets.nsd.betas import subject_matrices, voxel_files
    from convergence.datasets.nsd.selection import ncsnr_path
    from convergence.tasks import Unit

    computed = source.min_ncsnr is not None and ncsnr_path(dataset.root, plan.subject, source) is None
    return Unit("all parcels", dataset.work / files.matrix_folder(plan.subject, source), subject_matrices,
                {"subject": plan.subject, "labels": plan.labels, "rows": plan.rows, "sources": plan.sources, **_unusual(source),
                 **({"hdf5": plan.hdf5} if plan.hdf5 else {})},
                {"root": dataset.root, "work": dataset.work, "held": plan.held},
                (*voxel_files(dataset.root, plan.subject, source), *([dataset.work / files.TRIALS] if computed else [])))


def _unusual(source):
    """The source as an option, where it is not the published one: sidecars of the default say nothing of sources."""
    return {} if source == files.Source() else {"source": source}
