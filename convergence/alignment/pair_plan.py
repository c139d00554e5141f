"""The units of work of 3_alignment/2_subject_subject.py, and what must be there before the first of them starts.

    units, table, what = shifted_work(dataset, chosen, subjects, parcels, folder, controls=derivatives)     # from RDM stores
    units, table, what = other_work(...)                # THINGS, BOLD5000: session by session, from responses

`chosen` are the script's options; `what` says in the table's sidecar what it holds.
"""

from convergence.alignment import other_datasets, subject_subject
from convergence.alignment.choice import check_responses, check_stores, say_cost
from convergence.alignment.controls import control_files, read_controls
from convergence.alignment.partitions import CONTENT, partition_images
from convergence.alignment.recipe import Recipe
from convergence.alignment.sources import Latest
from convergence.alignment.trials import shared_trials
from convergence.analysis.exclusion import parse_rules


def shifted_work(dataset, chosen, subjects, parcels, folder, *, controls):
    """Units of all ordered pairs of subjects, the table that they become, and what it holds."""
    _refuse_both(chosen)
    recipe = Recipe(metric=chosen.metric, zscore=chosen.zscore, images=chosen.images, noise=chosen.noise)
    if chosen.reference and recipe.suffix:
        raise ValueError(f"--reference: the published RDMs are correlation distances of single trials; leave {recipe.flags} out")
    if recipe.by_image and chosen.shift:
        raise ValueError(f"shift: the stimuli of {recipe.flags} are images, whose repetitions are pooled, so that they cannot be "
                         "shifted; use --shift 0")
    exclude, rois = parse_rules(chosen.exclude_pairs), [parcel.roi for parcel in parcels] if chosen.rois else None
    name = {"shift": chosen.shift, "form": chosen.form, "hemispheres": chosen.hemispheres}
    how = {"method": chosen.method, "exclude": exclude, "controls": tuple(chosen.control), "partitions": tuple(chosen.partition)}
    table = subject_subject.table_path(folder, dataset.name, recipe=recipe, **name, **how)
    if chosen.reference:
        check_responses(dataset, subjects)
        stores = None
    else:
        stores = check_stores(folder, dataset.name, subjects, chosen.hemispheres, parcels, recipe)
    images = partition_images(dataset, chosen.partition, chosen.content) if chosen.partition else None
    known = read_controls(controls, dataset, chosen.control, distance=chosen.distance)
    files = control_files(controls, chosen.control) + ((chosen.content or dataset.work / CONTENT,) if chosen.partition else ())
    latest = Latest()
    units = [subject_subject.pair_unit(i, j, stores, table, rois=rois, device=chosen.device, latest=latest, images=images,
                                       known=known, files=files,
                                       dataset=dataset if chosen.reference else None, reference=chosen.reference,
                                       equal=not chosen.reference,
                                       seed=chosen.seed if chosen.partition and not chosen.reference else 0,
                                       distance=chosen.distance, **name, **how)
             for i in subjects for j in subjects]
    if chosen.dry_run:
        n, n_rois = max(len(shared_trials(dataset.trials, subject)) for subject in subjects), len(parcels)
        n_pairs, times = n * n / 2, n_rois ** (chosen.form == "full") * (len(chosen.partition) or 1)
        say_cost(units, flops=2 * n_rois * times * n_pairs + chosen.reference * n_rois * n * n * 4000,
                 memory=4 * n_pairs * (n_rois + 4 * min(n_rois, 30)),
                 disk=times * n_rois * 6 * (1 + len(chosen.control)))
    what = {**name, "subjects": subjects, "rois": rois or "all",
            **{key: list(value) if isinstance(value, tuple) else value
               for key, value in how.items() if value and value != "pearson"},
            **({"recipe": recipe.flags} if recipe.flags else {}), **({"reference": True} if chosen.reference else {})}
    return units, table, what


def other_work(dataset, chosen, subjects, parcels, folder, *, controls=None):
    """The same for a dataset whose published table is session by session: ordered pairs of different subjects."""
    foreign = [f"--{name.replace('_', '-')}" for name in ("partition", "control", "zscore", "images") if getattr(chosen, name)]
    if foreign or chosen.metric != "correlation":
        raise ValueError(f"{', '.join(foreign) or '--metric'}: not for {dataset.name!r}, whose pairs of subjects are compared "
                         "session by session from responses; leave it out")
    check_responses(dataset, subjects)
    exclude, rois = parse_rules(chosen.exclude_pairs), [parcel.roi for parcel in parcels] if chosen.rois else None
    name = {"form": chosen.form, "hemispheres": chosen.hemispheres, "method": chosen.method}
    table = other_datasets.table_path(folder, dataset.name, exclude=exclude, **name)
    first = sorted(shared_trials(dataset.trials, subjects[0])["session"].unique().tolist())[:1] if chosen.pilot else None
    units = [other_datasets.pair_unit(dataset, i, j, table, rois=rois, exclude=exclude, reference=chosen.reference,
                                      sessions=first, device=chosen.device, **name)
             for i in subjects[:1 if chosen.pilot else None] for j in subjects if i != j]
    if not units:
        raise ValueError(f"subjects: {', '.join(map(str, subjects))} is one subject; the table compares different ones")
    if chosen.dry_run:
        trials = shared_trials(dataset.trials, subjects[0])
        n, n_sessions, n_rois = trials.groupby("session").size().max(), trials["session"].nunique(), len(parcels)
        say_cost(units, flops=n_sessions * n * n * n_rois * (4000 + n_rois), memory=4 * n * n * n_rois,
                 disk=n_sessions * n_rois ** 2 * 6)
    return units, table, {**name, "exclude": list(exclude), "subjects": subjects, "rois": rois or "all",
                          **({"reference": True} if chosen.reference else {})}


def _refuse_both(chosen):
    if chosen.partition and chosen.control:
        raise ValueError("--partition and --control make a table each; give one of them at a time")
