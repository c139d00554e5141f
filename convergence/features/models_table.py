"""The table of networks, <derivatives>/metadata/models-info.csv, read off the feature files.

    write_models_info(features, derivatives)            # from every feature file below a folder
"""

from pathlib import Path

from convergence.features.store import list_features, open_features
from convergence.storage.outputs import Record, save, state
from convergence.storage.schemas import TABLES
from convergence.storage.tables import conform, file_of


def models_info(paths):
    """The table "models_info": one row per network, trained ones first, sorted by name; read from the feature files.

    A network whose features were extracted for several datasets has one row.

    Raises
    ------
    ValueError
        Two files of one name hold different networks.
    """
    import pandas

    paths = list(paths)
    different = pandas.DataFrame([_info(path) for path in paths], columns=list(TABLES["models_info"].columns)).drop_duplicates()
    twice = different.loc[different["model_name"].duplicated(keep=False)]
    if len(twice):
        files = " and ".join(str(paths[k]) for k in twice.index)
        raise ValueError(f"{files} have one name and hold different networks; extract the older again with --overwrite")
    return conform(different.sort_values(["untrained", "model_name"], ignore_index=True), "models_info")


def write_models_info(features, derivatives):
    """Write <derivatives>/metadata/models-info.csv from every feature file below a folder; its path, None without files."""
    paths = list_features(features)
    if not paths:
        return None
    output = Path(derivatives) / file_of("models_info")
    record = Record("convergence.features.models_table.write_models_info", tuple(paths))
    return output if state(output, record)[0] == "done" else save(models_info(paths), output, record)


def _info(path):
    with open_features(path) as file:
        known = file.attributes
        taken = {key: known[key] for key in ("modality", "family", "model", "num_parameters", "untrained", "seed")}
        return {"model_name": Path(path).stem, "num_layers": file.n_layers, "inner_dim": max(file.dims()), **taken,
                "layer_names": ";".join(file.layer_names)}
