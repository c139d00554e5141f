"""Is the downloaded dataset complete? Names every file that is missing, and with --deep every file that is damaged.

Reads    the dataset's folder; nothing is written (but the report that --json asks for).
Says     what is missing or wrong, and the commands that download it (they go on where they stopped; what --deep found damaged is
         fetched anew); how long the extraction of what is there takes, and whether the disk is large enough.
Exit     0 if nothing is missing or wrong, 1 otherwise.
Time     seconds; with --deep everything is read: half a minute for each session of NSD at 1 mm, --jobs of them at a time.

Datasets: nsd, things, bold5000 (also bold5000-coco, ...: the same files), folder. Without --sessions and --release the sessions
that NSD should have of a subject are those of its behav/responses.tsv, and all up to the last one found; a session that is
missing at the end is noticed with --release, which also tells the commands that fill an empty folder.

    python 1_dataset_preparation/1_check_dataset.py --root /data/nsd --release full
    python 1_dataset_preparation/1_check_dataset.py --root /data/nsd --subjects 1 2 --deep --jobs 4 --json report.json
    python 1_dataset_preparation/1_check_dataset.py --dataset things --root /data/things --deep
"""

import json
import sys

from convergence.cli import command, options
from convergence.datasets.options import add_options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "subjects", "sessions", "jobs")
    parser.add_argument("--deep", action="store_true", help="also look into the files, down to every byte of the betas")
    parser.add_argument("--json", metavar="FILE", help="write what was found to this file as well")
    add_options(parser, "release", "resolution", "betas", "volume", "type")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import family, preparation
    from convergence.datasets.options import refuse_foreign
    from convergence.storage.paths import dataset_root

    steps = preparation(chosen.dataset)
    refuse_foreign(chosen)
    root = dataset_root(family(chosen.dataset), chosen.root)
    findings = steps.check(root, chosen)
    lines = steps.forecast(root, chosen, findings)
    if chosen.json:
        _write_report(chosen, findings, lines)
    for finding in findings:
        if finding.message and finding.status in ("ok", "note"):
            print(f"{finding.status}: {finding.path}: {finding.message}")
    print("\n".join(lines))
    faults = [finding for finding in findings if finding.status in ("missing", "wrong")]
    n_files = len({finding.path for finding in findings})
    if faults:
        raise ValueError(f"{len(faults)} of {n_files} files of {root} are missing or wrong:\n" +
                         "\n".join(f"  {fault.status}  {fault.message or fault.path}" for fault in faults))
    print(f"{n_files} files of {root}: all there" + (" and readable to their end" if chosen.deep else "; --deep also reads them"))


def _write_report(chosen, findings, lines):
    from convergence.storage.outputs import replacing

    report = {"dataset": chosen.dataset, "deep": chosen.deep, "findings": [finding._asdict() for finding in findings],
              "forecast": lines}
    with replacing(chosen.json) as temporary:
        temporary.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
