"""What is planted where, the same in every miniature dataset but for one contrast; written beside the data as truth.json.

    early V1 ... V4             follow the latent `low`, snr 3
    ventral VMV1 ... PHA3       follow `scene`, snr 3
    lateral MT ... TPOJ3        follow `social`, snr 3; in NSD hardly so in pictures without person and animal
    graded, 12 parcels          follow one latent or two in equal parts, snr 0.3 to 2
    left_only, right_only       FFC and PH follow `social` in that hemisphere alone
    null                        all others: drift and noise, no signal

Some parcels test the machinery and belong to no statistic: the canary counts trials and voxels, the empty ones have no voxel or a
single one in one subject, the dead one has voxels outside the brain mask.
"""

import json
from pathlib import Path

import numpy as np

TRUTH = "truth.json"
CLUSTER_SNR = 3.0
_CLUSTERS = {"early": ("EVC", "low"), "ventral": ("Ventral", "scene"), "lateral": ("LOTC", "social")}      # hub, latent
_NOBODY = {"lateral": 0.25}             # answer to pictures without person and animal, 1 being that to others
_GRADED = {"IPS1": "low", "V7": "low+scene", "DVT": "scene", "STSdp": "social", "TE2p": "scene+social", "RSC": "scene",
           "V3B": "low", "TPOJ1": "social", "VVC": "scene+social", "V8": "low+scene", "LO2": "low+social", "V3A": "low"}
_GRADED_SNR = (0.3, 2.0)                # of the first and the last of them
_ONE_SIDED = {"FFC": "left", "PH": "right"}
CANARY, EMPTY, ONE_VOXEL, DEAD = "p24", "Pir", "s32", "25"

# What an analysis must find: RSA between subjects, joined hemispheres, means over ordered pairs of different subjects.
_EXPECTED = {"clusters_above": 0.35, "nulls_within": 0.05, "nulls_above_at_shift_0": 0.2, "rank_correlation_with_snr_above": 0.7,
             "significant_nulls_at_most": 0.05, "peak_layers_ascend": ["early", "lateral"],
             # animate minus inanimate images, as many of each
             "lateral_animate_contrast_above": 0.3, "other_animate_contrasts_within": 0.15}


def plant(*, contrast=True):
    """What is planted: {parcel: {"cluster", "hemisphere", "latent", "nobody", "snr"}}, in the order of the atlas.

    `latent` is None where snr is 0; `nobody` is the answer to pictures without person and animal, 1 being that to others: less in
    the lateral cluster with `contrast`, else 1 everywhere (datasets that are not divided by what their pictures show).
    """
    from convergence.datasets.atlas import hubs_of, load_atlas

    atlas = load_atlas()
    hubs = hubs_of(atlas)
    rois = {name: _roi("null") for name in atlas.loc[atlas["hemisphere"] == "lh", "name"]}
    for cluster, (hub, latent) in _CLUSTERS.items():
        nobody = _NOBODY.get(cluster, 1.0) if contrast else 1.0
        rois.update({name: _roi(cluster, latent, CLUSTER_SNR, nobody=nobody) for name in hubs[hub]})
    for (name, latent), snr in zip(_GRADED.items(), np.linspace(*_GRADED_SNR, len(_GRADED))):
        rois[name] = _roi("graded", latent, round(float(snr), 2))
    for name, side in _ONE_SIDED.items():
        rois[name] = _roi(f"{side}_only", "social", CLUSTER_SNR, side)
    rois.update({CANARY: _roi("canary"), EMPTY: _roi("empty"), ONE_VOXEL: _roi("empty"), DEAD: _roi("dead")})
    return rois


def expected():
    """Numbers that an analysis of the data must reach; tests read them here."""
    return dict(_EXPECTED)


def read_truth(root, *, complete=True):
    """What is planted in a miniature dataset.

    Parameters
    ----------
    root : path
        The dataset's folder, e.g. <out>/nsd.
    complete : bool
        Whether to refuse a dataset whose writing was interrupted.

    Returns
    -------
    dict
        "seed"; "rois": what `plant` returns; "expected": what an analysis must find; "special":
        parcels that test the machinery; "images": lists of image numbers, and persons and animals in every image.

    Raises
    ------
    FileNotFoundError
        There is no miniature dataset, or only half of one.
    """
    from convergence.storage.outputs import read_sidecar

    path = Path(root) / TRUTH
    if not path.exists():
        below = sorted(Path(root).glob(f"*/{TRUTH}"))
        hint = "python -m convergence make-miniature --out DIR writes one"
        if below:
            hint = f"did you mean {' or '.join(str(truth.parent) for truth in below)}?"
        raise FileNotFoundError(f"{path} is not there, so {root} is no miniature dataset; {hint}")
    if complete and read_sidecar(path) is None:
        raise FileNotFoundError(f"{root} is half of a miniature dataset: writing it was interrupted; "
                                f"run python -m convergence make-miniature --out {Path(root).parent} again")
    return json.loads(path.read_text())


def to_text(truth):
    """JSON for people: keys sorted, one line per parcel and per list."""
    return _lines(truth, "\n") + "\n"


def _lines(value, line_break):
    if not isinstance(value, dict) or not any(isinstance(part, (dict, list)) for part in value.values()):
        return json.dumps(value, sort_keys=True)
    parts = [f"{line_break} {json.dumps(key)}: {_lines(value[key], line_break + ' ')}" for key in sorted(value)]
    return "{" + ",".join(parts) + line_break + "}"


def _roi(cluster, latent=None, snr=0.0, hemisphere="both", nobody=1.0):
    return {"cluster": cluster, "hemisphere": hemisphere, "latent": latent, "nobody": nobody, "snr": snr}
