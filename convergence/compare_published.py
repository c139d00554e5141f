"""Compare a run on the real Natural Scenes Dataset with the numbers published with arXiv 2507.13941, table by table.

reads    what there is of the tables below <derivatives>/nsd/ (and bold5000/, things/); what is missing is listed with the script
         that writes it
writes   nothing, or with --out a table of all numbers (.csv)
exit     0 if every number that could be compared is within its tolerance; 1 if one is not, or if there is nothing to compare

    python -m convergence compare-published --derivatives derivatives
    python -m convergence compare-published --out scores.csv

Tolerances: similarities 0.002, depths and rank correlations 0.01, coefficients of fits 0.02, number of significant parcels 3;
wider where a number was printed with fewer digits or read off a figure (convergence/assets/README.md). Tables should come from
scripts run with --reference.
"""

from pathlib import Path

from convergence.cli import command, options

PUBLISHED = Path(__file__).parent / "assets" / "published.csv"
DATASET = "nsd"


@command
def main(arguments=None):
    parser = options(__doc__, "derivatives", "atlas")
    parser.add_argument("--out", metavar="FILE", help="also write every number into this .csv")
    chosen = parser.parse_args(arguments)

    import pandas

    from convergence.analysis.published import quantities, score
    from convergence.datasets.atlas import load_atlas
    from convergence.storage.outputs import Record, save
    from convergence.storage.paths import derivatives_folder

    atlas, published = load_atlas(chosen.atlas), pandas.read_csv(PUBLISHED)
    tables = Tables(derivatives_folder(chosen.derivatives), atlas)
    scores = score(quantities(tables, atlas), published)
    print(*report(scores), sep="\n")
    if chosen.out:
        save(scores, Path(chosen.out), Record("convergence compare-published",
                                              tuple(path for path in tables.read if path.exists())))
    verdict(scores)


class Tables:
    """The tables of a run by the names that analysis.published uses; the one asked for last stays in memory."""

    def __init__(self, derivatives, atlas):
        from convergence.storage.tables import file_of

        pairs = lambda variant: file_of("rsa_subject_subject_alignment", dataset=DATASET, variant=variant)
        other = lambda name: file_of("rsa_other_subject_subject_alignment", family=name, dataset=name, hemispheres="joined",
                                     more="")
        layers = lambda hemispheres: file_of("rsa_subject_model_alignment", dataset=DATASET, hemispheres=hemispheres)
        files = {"shift_0": pairs("joined_0"), "shift_1": pairs("shift_1_joined"), "shift_2": pairs("shift_2_joined"),
                 "spearman": pairs("joined_1_spearman"), "separated": pairs("shift_1_separated"),
                 "cka": Path(DATASET) / "cka_subject_subject_alignment_shift_1_joined.parquet",
                 "partitions": file_of("rsa_subject_subject_alignment_partitions", dataset=DATASET, variant="shift_1_joined",
                                       more=""),
                 "layers": layers("joined"), "layers_separated": layers("separated"), "models": file_of("models_info"),
                 "p_values": file_of("rsa_pvalues_subject_language_vision", dataset=DATASET),
                 "reliability": file_of("reliability", dataset=DATASET),
                 "untrained": Path(DATASET) / "cka_untrained_models_similarity.parquet", "bold5000": other("bold5000"),
                 "things": other("things")}
        self.files, self.atlas, self.read = {name: derivatives / file for name, file in files.items()}, atlas, []
        self._latest = None, None

    def __getitem__(self, name):
        from convergence.storage.tables import read_table

        if name != self._latest[0]:
            self._latest = None, None
            table = self._contrasts() if name == "contrasts" else read_table(self._path(name))
            self._latest = name, table
        return self._latest[1]

    def _path(self, name):
        path = self.files[name]
        diagonal = path.with_name(f"{path.stem}_diagonal.parquet")
        self.read.append(diagonal if diagonal.exists() and not path.exists() else path)
        return self.read[-1]

    def _contrasts(self):
        """hub_contrasts as published, from the tables themselves: the stored one may be ours."""
        from convergence.alignment.hub_contrasts import contrasts
        from convergence.storage.tables import read_table

        names = {"layers": "layers", "layers_separated": "layers_separated", "pairs_separated": "separated"}
        there = {name: read_table(self._path(file)) for name, file in names.items() if self._path(file).exists()}
        if not there:
            raise FileNotFoundError(f"{self.files['layers']} is not there; 3_alignment/3_subject_model.py writes it")
        models = read_table(self._path("models")) if {"layers", "layers_separated"} & set(there) else None
        return contrasts(there, self.atlas, models, reference=True)


def report(scores):
    """Lines: a heading per table, a line per quantity, its offenders, what is missing, and parcels that look exchanged."""
    from convergence.analysis.published import AGREES, DIFFERS, MISSING, swapped

    for table, rows in scores.groupby("table", sort=False):
        counts = rows["verdict"].value_counts()
        yield f"\n{table}: {counts.get(AGREES, 0)} agree, {counts.get(DIFFERS, 0)} differ, {counts.get(MISSING, 0)} missing"
        for quantity, of_it in rows.groupby("quantity", sort=False):
            missing, compared = of_it[of_it["verdict"] == MISSING], of_it[of_it["verdict"] != MISSING]
            if len(compared):
                agree, largest = (compared["verdict"] == AGREES).sum(), compared["difference"].abs().max()
                yield f"  {quantity}: {agree} of {len(compared)} agree, largest difference {largest:.4f}"
            for row in of_it[of_it["verdict"] == DIFFERS].to_dict("records"):
                yield (f"    differs: {row['place']} is {row['found']:.4f}, published {row['value']:.4g} ± {row['tolerance']:g} "
                       f"({row['source']})")
            for reason, places in missing.groupby("reason", sort=False)["place"]:
                yield f"  {quantity}: missing ({', '.join(places)}): {reason}"
    for quantity, one, other in swapped(scores):
        yield f"\n{one} and {other} look exchanged in: {quantity}"


def verdict(scores):
    """Print the sum; a ValueError where a number differs, or none could be compared."""
    from convergence.analysis.published import AGREES, DIFFERS

    agree, differ = (scores["verdict"] == AGREES).sum(), scores[scores["verdict"] == DIFFERS]
    missing = len(scores) - agree - len(differ)
    print(f"\n{agree} of {len(scores)} published numbers agree, {len(differ)} differ, {missing} are missing")
    if len(differ):
        raise ValueError(f"{len(differ)} numbers differ from the published ones: "
                         f"{'; '.join(f'{q} of {p}' for q, p in zip(differ['quantity'], differ['place']))}")
    if not agree:
        raise ValueError("nothing could be compared: no table of a run on the real dataset is in the derivatives; run the "
                         "scripts of 3_alignment first")
