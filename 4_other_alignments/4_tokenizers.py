"""RSA of every parcel with the words of the captions, as words, stems or tokens of language models: how far do words alone go?

reads    the ROI matrices of the dataset, and its captions (1_dataset_preparation/3_build_coco_tables.py) or those of a table
writes   <derivatives>/<dataset>/supplementary_tokenizers_rsa_joined.parquet (or _separated): per subject, parcel and tokeniser
         the similarity with three RDMs: Jaccard distance of the sets of tokens, 1 - r of which tokens there are, 1 - r of how
         often. Responses are averaged over the repetitions of shared images. Columns: derivatives/README.md
units    a subject; what is done is skipped, so that a killed run goes on
time     NSD, 8 subjects: a minute each on two CPU cores, and reading 3 GB; 1 GB of memory

    python 4_other_alignments/4_tokenizers.py --dataset nsd
    python 4_other_alignments/4_tokenizers.py --tokenizers words stems_clean bigscience/bloomz-560m /models/llama-2-7b
    python 4_other_alignments/4_tokenizers.py --captions derivatives/captions/things-captions-pixtral.csv --dataset things

Tokenisers: words, stems (Porter), words_clean, stems_clean (without scikit-learn's stop words and 's), minilm, bpe (learnt from
the captions), or any of transformers by hub id or folder, without special tokens.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "subjects", "rois", "hemispheres", "device", "scheduler", "jobs",
                     "overwrite", "dry-run", "pilot")
    parser.add_argument("--tokenizers", nargs="+", metavar="NAME", help="default: words stems words_clean stems_clean minilm bpe")
    parser.add_argument("--captions", metavar="FILE", help="table with the image number and caption, or captions (the first of "
                                                           "several divided by ';'); default: the dataset's")
    parser.add_argument("--metric", choices=("rsa", "rho_a", "spearman"), default="rsa",
                        help="similarity of RDMs: rsa (default, the paper's Pearson r), or ranks; rho_a does not favour ties")
    chosen = parser.parse_args(arguments)

    from pathlib import Path

    from convergence.alignment.choice import check_responses, choose_parcels, choose_subjects, pilot, say_cost
    from convergence.alignment.parts import merge
    from convergence.alignment.token_controls import DEFAULT, subject_unit, table_path
    from convergence.alignment.trials import shared_trials
    from convergence.datasets import open_dataset
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    dataset, folder = open_dataset(chosen.dataset, chosen.root), derivatives_folder(chosen.derivatives)
    subjects, tokenizers = choose_subjects(dataset, chosen.subjects), list(dict.fromkeys(chosen.tokenizers or DEFAULT))
    check_responses(dataset, subjects)
    captions = Path(chosen.captions) if chosen.captions else None
    if captions and not captions.exists():
        raise FileNotFoundError(f"--captions: {captions} is not there; give a table with {dataset.image_key} and caption")
    if chosen.pilot:
        folder, chosen.rois = pilot(folder, dataset, chosen.hemispheres, chosen.rois)
        subjects = subjects[:1]
    parcels = choose_parcels(dataset, chosen.hemispheres, chosen.rois)
    rois = [parcel.roi for parcel in parcels] if chosen.rois else None
    table = table_path(folder, dataset.name, hemispheres=chosen.hemispheres)
    units = [subject_unit(dataset, subject, tokenizers, table, captions=captions, metric=chosen.metric,
                          hemispheres=chosen.hemispheres, rois=rois, device=chosen.device) for subject in subjects]
    if chosen.dry_run:
        n = max(shared_trials(dataset.trials, subject)["image"].nunique() for subject in subjects)
        say_cost(units, flops=len(parcels) * n * n * (3000 + 3 * len(tokenizers)), memory=4 * n * n * len(parcels),
                 disk=30 * len(parcels) * len(tokenizers))
    parts = run_units(units, title="tokenizers", scheduler=chosen.scheduler, jobs=chosen.jobs, overwrite=chosen.overwrite,
                      dry_run=chosen.dry_run)
    if not chosen.dry_run:
        merge(parts, table, made_by="4_other_alignments/4_tokenizers.py",
              options={"hemispheres": chosen.hemispheres, "subjects": subjects, "rois": rois or "all", "tokenizers": tokenizers,
                       "metric": chosen.metric})
        print(table)


if __name__ == "__main__":
    sys.exit(main())
