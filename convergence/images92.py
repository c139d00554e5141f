"""The whole analysis on 92 real images: do people agree, with each other, with a monkey, and with which layer of a network?

Reads    the RDMs of human and monkey inferior temporal cortex (IT) of Kriegeskorte et al. (2008) and the RDMs of EfficientNet-lite0's layers,
         both packaged; with --root (or IMAGES92_DATASET) the published files and pictures in a folder: the network's features are then
         extracted from the pictures, and must give the packaged layer RDMs.
Writes   <out>/derivatives/images92/{subject_subject,subject_model,p_values}.parquet, <out>/figures/images92.{pdf,png}; with --root also the
         features, <out>/features/images92/, and their line in <out>/derivatives/metadata/models-info.csv
Time     seconds; with --root half a minute.

    python -m convergence images92 --out demo
    python -m convergence images92 --root 92imageData --out demo

Statistics: Pearson r of condensed RDMs. A person's RDM is the mean of the sessions; r with a layer is averaged over people, and compared with
the noise ceiling of the same people. p-values relabel the 92 pictures, in closed form: one relabelling of the model serves all people; between
people everyone has a relabelling of their own. They generalise over pictures, not over people.
"""

from itertools import combinations
from pathlib import Path

from convergence.cli import command, options
from convergence.storage.tables import conform, file_of

MODEL = "efficientnet_lite0"
TOLERANCE = 1e-3                    # layer RDMs computed here against the packaged ones: other libraries round otherwise


@command
def main(arguments=None):
    parser = options(__doc__, "overwrite")
    parser.add_argument("--root", metavar="DIR", help="folder of the published files; default: IMAGES92_DATASET, or the packaged numbers")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for derivatives/ and figures/")
    parser.add_argument("--package", metavar="FILE", help="for developers: with --root, write the numbers that the package holds to this .npz, and stop")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import open_dataset
    from convergence.tasks import Unit, run_units

    dataset, out = open_dataset("images92", chosen.root), Path(chosen.out)
    inputs = dataset.source_files()
    if not all(path.exists() for path in inputs):
        dataset.human_rdms                                          # says which file is missing
    redo = {"overwrite": chosen.overwrite}
    layers = [] if dataset.packaged else [feature_unit(dataset, out / "features")]
    run_units(layers, title="92 images, features", **redo)
    if layers:
        from convergence.features.models_table import write_models_info
        write_models_info(out / "features", out / "derivatives")
    if chosen.package:
        return write_package(dataset, layers, chosen.package)
    places = {"dataset": dataset, "features": layers[0].output if layers else None}
    inputs += tuple(unit.output for unit in layers)
    tables = [Unit(table.removeprefix("images92_"), out / "derivatives" / file_of(table), function, places=places, inputs=inputs)
              for table, function in (("images92_subject_subject", subject_subject), ("images92_subject_model", subject_model),
                                      ("images92_p_values", p_values))]
    paths = run_units(tables, title="92 images, tables", **redo)
    figures = [Unit(f"figure {suffix}", out / "figures" / f"images92{suffix}", draw, {"suffix": suffix}, {"dataset": dataset, "tables": paths}, tuple(paths))
               for suffix in (".pdf", ".png")]
    paths += run_units(figures, title="92 images, figure", **redo)
    print("\n".join(map(str, paths)))


def feature_unit(dataset, features):
    """The unit of work that extracts the network's layers for the 92 pictures."""
    from convergence.features.extraction import vision_jobs
    from convergence.tasks import Unit

    (job,) = vision_jobs(dataset, [MODEL], features)
    return Unit(**job)


def subject_subject(*, dataset, features=None):
    """Table images92_subject_subject: r of every two of the (person, session) RDMs."""
    import pandas

    from convergence import rsa

    n_subjects, n_sessions, n_pairs = dataset.human_rdms.shape
    who = [(subject + 1, session + 1) for subject in range(n_subjects) for session in range(n_sessions)]
    similarity = rsa(dataset.human_rdms.reshape(-1, n_pairs), dataset.human_rdms.reshape(-1, n_pairs))
    rows = [(*who[a], *who[b], similarity[a, b]) for a, b in combinations(range(len(who)), 2)]
    return conform(pandas.DataFrame(rows, columns=["subject_i", "session_i", "subject_j", "session_j", "similarity"]), "images92_subject_subject")


def subject_model(*, dataset, features=None):
    """Table images92_subject_model: r of every person (sessions averaged) with every layer."""
    import numpy as np
    import pandas

    from convergence import rsa

    names, layers = layer_rdms(dataset, features)
    similarity = rsa(people(dataset), layers)
    subject, layer = (index.ravel() for index in np.indices(similarity.shape))
    return conform(pandas.DataFrame({"subject": subject + 1, "model": MODEL, "layer": layer, "layer_name": np.array(names)[layer],
                                     "similarity": similarity.ravel()}), "images92_subject_model")


def p_values(*, dataset, features=None):
    """Table images92_p_values: people with each other, with the monkey, with every layer; and the noise ceiling of the people."""
    import numpy as np
    import pandas

    from convergence import mantel_moments, noise_ceiling, rsa
    from convergence.analysis.group_null import subject_mean_moments, subject_pairs_moments

    persons, (names, layers) = people(dataset), layer_rdms(dataset, features)
    human, monkey = persons.mean(0), dataset.monkey_rdm
    between = rsa(persons, persons)[np.triu_indices(len(persons), 1)].mean()
    lower, upper = noise_ceiling(persons)
    blocks = [_with_null("intersubject", [-1], [""], [between], subject_pairs_moments(persons)),
              _with_null("monkey", [-1], [""], [rsa(human, monkey)], mantel_moments(human, monkey)),
              _with_null(MODEL, range(len(names)), names, rsa(persons, layers).mean(0), subject_mean_moments(persons, layers))]
    return conform(pandas.concat(blocks).assign(noise_ceiling_lower=lower, noise_ceiling_upper=upper), "images92_p_values")


def _with_null(comparison, layer, layer_name, observed, moments):
    """Rows of one comparison; the false discovery rate is controlled within it."""
    import numpy as np
    import pandas

    from convergence.analysis.inference import fdr
    from convergence.analysis.inference import p_values as tails

    p = np.atleast_1d(tails(np.asarray(observed, float).reshape(np.shape(moments.mean)), moments))
    return pandas.DataFrame({"comparison": comparison, "layer": layer, "layer_name": layer_name, "observed": observed, "null_mean": np.atleast_1d(moments.mean),
                             "null_std": np.sqrt(np.atleast_1d(moments.variance)), "pvalue": p, "pvalue_fdr_bh": fdr(p)})


def people(dataset):
    """(n_subjects, n_pairs): the RDM of every person, mean of the sessions."""
    import numpy as np
    return np.stack([dataset.rdm(subject) for subject in dataset.subjects])


def layer_rdms(dataset, features=None):
    """(layer names, (n_layers, n_pairs)) of the network: packaged, or from the features extracted from the pictures.

    Raises
    ------
    ValueError
        The RDMs from the pictures are not the packaged ones.
    """
    if features is None:
        return dataset.layer_names, dataset.layer_rdms
    import numpy as np

    names, found = _computed(dataset, features)
    packaged = dataset.layer_rdms
    largest = np.abs(found - packaged).max() if found.shape == packaged.shape else np.inf
    if names != dataset.layer_names or not largest <= TOLERANCE:
        raise ValueError(f"the layer RDMs computed from the pictures differ from the packaged ones by up to {largest:.1e} (allowed: {TOLERANCE:g}; "
                         f"layers {names}, packaged {dataset.layer_names}): are the pictures in {dataset.root} and the weights the published ones?")
    return names, found


def write_package(dataset, layers, file):
    """Write the packaged numbers (assets/images92/README.md) from the published files and the features extracted from them."""
    import numpy as np

    from convergence.storage.outputs import replacing

    if not layers:
        raise ValueError("--package: the numbers are made from the published files; give their folder with --root")
    names, rdms = _computed(dataset, layers[0].output)
    with replacing(file) as temporary:
        np.savez_compressed(temporary, **dataset.packed_numbers(), layer_rdms=rdms, layer_names=np.array(names))


def _computed(dataset, features):
    from convergence.alignment import rdms
    from convergence.features.store import open_features

    with open_features(features, dataset=dataset.name) as file:
        return list(file.layer_names), rdms.layer_rdms(file, dataset.images.index)


def draw(*, suffix, dataset, tables):
    """A function of a path that draws the figure."""
    from convergence.plotting import images92, style
    from convergence.storage.tables import read_table

    of = {path.stem: read_table(path) for path in tables}
    style.apply()
    figure = images92.figure(dataset.human_rdms.mean((0, 1)), dataset.monkey_rdm, list(dataset.images["category"]), of["subject_model"], of["p_values"])
    return lambda path: style.write(figure, path)
