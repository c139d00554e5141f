"""Do hubs prefer vision to language, left to right, pictures with people and animals to others? Tested over subjects.

reads    what there is of rsa_subject_model_alignment_joined.parquet, ..._separated.parquet (3_subject_model.py;
         metadata/models-info.csv), rsa_subject_subject_alignment_shift_1_separated.parquet, ..._shift_1_joined_partitions.parquet
         (2_subject_subject.py)
writes   <derivatives>/<dataset>/hub_contrasts.parquet: difference, interval, test, corrected or not. Units: correlations
time     seconds, and reading the tables

    python 3_alignment/8_hub_contrasts.py --dataset nsd

A subject is in many pairs, so that values of pairs are dependent: they are tested by a bootstrap over subjects. Values of single
subjects are tested by all changes of sign. --reference: as published, t-tests over subjects, of pairs after averaging over a
subject's partners; that rejects about a third of true nulls at 0.05.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    chosen = options(__doc__, "dataset", "root", "atlas", "derivatives", "seed", "reference").parse_args(arguments)

    from convergence.alignment import hub_contrasts
    from convergence.analysis.contrasts import in_words
    from convergence.datasets import open_dataset
    from convergence.storage.outputs import Record, save
    from convergence.storage.paths import derivatives_folder
    from convergence.storage.tables import file_of, read_table

    dataset, folder = open_dataset(chosen.dataset, chosen.root).use_atlas(chosen.atlas), derivatives_folder(chosen.derivatives)
    paths = hub_contrasts.inputs(folder, dataset.name)
    there = {name: path for name, path in paths.items() if path.exists()}
    for name in sorted(set(paths) - set(there)):
        print(f"not there, its contrasts are left out: {paths[name].name}")
    info = folder / file_of("models_info")
    models = read_table(info) if {"layers", "layers_separated"} & set(there) else None
    table = hub_contrasts.contrasts({name: read_table(path) for name, path in there.items()}, dataset.atlas(), models,
                                    reference=chosen.reference,
                                    seed=chosen.seed)
    path = hub_contrasts.table_path(folder, dataset.name)
    read = (*there.values(), *([info] if models is not None else []))
    save(table, path, Record("3_alignment/8_hub_contrasts.py", read, {"reference": chosen.reference, "seed": chosen.seed}))
    print(f"{path.name}: {len(table)} rows", *(in_words(row) if row["p"] == row["p"]
                                               else f"{row['hub']}, {row['measure']}, {row['contrast']}: {row['reason']}"
                                               for row in table.to_dict("records")), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
