"""RSA of brains whose trials lie alike in time but show other pictures: is alignment made by the structure of sessions alone?

reads    the ROI matrices of the dataset
writes   <derivatives>/<dataset>/out_of_order_joined.parquet (or _separated): trial k of one session with trial k of another
         session, every subject with every subject, itself included: as they are, after one relabelling of the trials, and with
         one session read backwards; <derivatives>/<dataset>/out_of_order_joined_parcels.parquet: the mean per parcel, against its
         null. Columns: derivatives/README.md
units    a pair of sessions; what is done is skipped, so that a killed run goes on
time     NSD, 8 subjects: 20 units of five minutes on two CPU cores; under 1 GB of memory

    python 4_other_alignments/8_out_of_order.py --dataset nsd --draws 40 --seed 1
    python 4_other_alignments/8_out_of_order.py --hemispheres separated --sessions 1 2 3 4

The null: sessions read forwards or backwards at random, which keeps how far trials lie apart and from the ends of a session, and
so all that slow drifts share. `observed` far above 0 and within its null means drift; outside of it, something happens at the
same place in every session. --reference: as published, sessions 10 to 27, values beyond the 0.1 % quantiles limited.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "subjects", "sessions", "rois", "hemispheres", "seed", "device",
                     "scheduler", "jobs", "overwrite", "dry-run", "pilot", "reference")
    parser.add_argument("--draws", type=int, default=20, metavar="N", help="pairs of sessions (default: 20)")
    chosen = parser.parse_args(arguments)
    if chosen.draws < 1:
        raise ValueError(f"--draws: {chosen.draws} pairs of sessions; give at least 1")

    from convergence.alignment import out_of_order
    from convergence.alignment.choice import check_responses, choose_parcels, choose_subjects, pilot, say_cost
    from convergence.alignment.parts import merge
    from convergence.alignment.rdms import CLIP
    from convergence.datasets import open_dataset
    from convergence.storage.outputs import Record, save, state
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset, folder = open_dataset(chosen.dataset, chosen.root), derivatives_folder(chosen.derivatives)
    subjects = choose_subjects(dataset, chosen.subjects)
    check_responses(dataset, subjects)
    among = chosen.sessions or (out_of_order.PUBLISHED_SESSIONS if chosen.reference else None)
    clip = out_of_order.PUBLISHED_CLIP if chosen.reference else CLIP
    pairs = out_of_order.draw_sessions(dataset, subjects, draws=1 if chosen.pilot else chosen.draws, seed=chosen.seed,
                                       among=among)
    if chosen.pilot:
        folder, chosen.rois = pilot(folder, dataset, chosen.hemispheres, chosen.rois)
    parcels = choose_parcels(dataset, chosen.hemispheres, chosen.rois)
    rois = [parcel.roi for parcel in parcels] if chosen.rois else None
    table = out_of_order.table_path(folder, dataset.name, hemispheres=chosen.hemispheres)
    units = [out_of_order.session_pair_unit(dataset, subjects, draw, pair, table, hemispheres=chosen.hemispheres, rois=rois,
                                            clip=clip, seed=chosen.seed, device=chosen.device) for draw, pair in enumerate(pairs)]
    if chosen.dry_run:
        n = dataset.trials.groupby(["subject", "session"]).size().max()
        say_cost(units, flops=len(parcels) * len(subjects) * n * n * (2 * 3000 + 30 * len(subjects)),
                 memory=8 * n * n * len(subjects), disk=20 * len(parcels) * len(subjects) ** 2)
    parts = run_units(units, title="out of order", scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
                      dry_run=chosen.dry_run)
    if not chosen.dry_run:
        what = {"hemispheres": chosen.hemispheres, "subjects": subjects, "rois": rois or "all", "sessions": pairs,
                "seed": chosen.seed}
        merge(parts, table, made_by="4_other_alignments/8_out_of_order.py", options=what)
        of_parcels = out_of_order.table_path(folder, dataset.name, hemispheres=chosen.hemispheres, table=out_of_order.PARCELS)
        record = Record("4_other_alignments/8_out_of_order.py", (table,), what)
        if state(of_parcels, record)[0] != "done":
            save(out_of_order.read_summary(table), of_parcels, record)
        print(of_parcels)


if __name__ == "__main__":
    sys.exit(main())
