"""Is the downloaded dataset complete? Names every file that is missing, and with --deep every file that is damaged.

Reads    the dataset's folder; nothing is written (but the report that --json asks for).
Exit     0 if nothing is missing or wrong, 1 otherwise.
Time     a second; with --deep half a minute for each session of real size, --jobs of them at a time.

Without --sessions the sessions expected of a subject are those of its behav/responses.tsv, and all up to the last one found.

    python 1_dataset_preparation/1_check_dataset.py --root /data/nsd
    python 1_dataset_preparation/1_check_dataset.py --root /data/nsd --subjects 1 2 --deep --jobs 4 --json report.json
"""

import json
import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "subjects", "sessions", "jobs")
    parser.add_argument("--deep", action="store_true", help="also look into the files, down to every byte of the betas")
    parser.add_argument("--json", metavar="FILE", help="write the findings to this file as well")
    chosen = parser.parse_args(arguments)

    from convergence.datasets.nsd.check import check
    from convergence.storage.outputs import replacing
    from convergence.storage.paths import dataset_root

    if chosen.dataset != "nsd":
        raise ValueError(f"--dataset: {chosen.dataset!r} cannot be checked; this script knows nsd")
    root = dataset_root(chosen.dataset, chosen.root)
    findings = check(root, subjects=chosen.subjects, sessions=chosen.sessions, deep=chosen.deep, jobs=chosen.jobs)
    if chosen.json:
        report = {"dataset": chosen.dataset, "deep": chosen.deep, "findings": [finding._asdict() for finding in findings]}
        with replacing(chosen.json) as temporary:
            temporary.write_text(json.dumps(report, indent=1) + "\n")
    for finding in findings:
        if finding.status == "note":
            print(f"note: {finding.path}: {finding.message}")
    faults = [finding for finding in findings if finding.status in ("missing", "wrong")]
    n_files = len({finding.path for finding in findings})
    if faults:
        raise ValueError(f"{len(faults)} of {n_files} files of {root} are missing or wrong:\n" +
                         "\n".join(f"  {fault.status}  {fault.message or fault.path}" for fault in faults))
    print(f"{n_files} files of {root}: all there" + (" and readable to their end" if chosen.deep else "; --deep also reads them"))


if __name__ == "__main__":
    sys.exit(main())
