"""How often does each test of RSA find something where there is nothing, and how often does it find what is there?

    OMP_NUM_THREADS=1 nice python benchmarks/false_positives.py [--brains 2000] [--family 400] [--power 100] [--seed 0]

Small simulated brains (small_brains.py): 3 subjects, 20 parcels, 30 images three times in 3 sessions, a new order, drift and
noise for every brain. Prints a line per method: share of p <= 0.05 where nothing is there, with its standard error over brains,
and the target; the share found at three sizes of effect, and the mean r that these have; then a JSON line. Methods that are not
valid stand in the table too, so that everybody sees by how much they miss; of them, and of p-values of a family of 20 parcels,
--family brains are tested. Slow methods test some of the parcels. About half an hour on one busy core.
"""

import argparse
import json
import os
import sys
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from small_brains import LABELS, PARCELS, SUBJECTS, TRIALS, Brain, in_place_of_the_next

from convergence import p_values, permutation_null, rsa
from convergence.analysis.exclusion import kept_pairs, masked_null, masked_units
from convergence.analysis.group_null import joint_moments, mean_of_uncorrelated, subject_mean_moments
from convergence.analysis.max_statistic import max_p_values
from convergence.analysis.null import MantelMoments
from convergence.analysis.partial_null import partial_null, residuals
from convergence.analysis.relabelling import draw_relabellings

ALPHA, TARGET, FAMILY_TARGET = 0.05, (0.035, 0.065), (0.02, 0.08)
SAMPLES, PER_BRAIN, FEW = 99, 5, 2
EFFECTS = (0.3, 0.5, 0.7)
PAIRS = list(combinations(range(SUBJECTS), 2))
IDENTITY = np.arange(TRIALS)[None]


def drawn(brain, number, blocks=LABELS):
    return draw_relabellings(TRIALS, SAMPLES, (brain.seed, *np.atleast_1d(number)), blocks=blocks)


def quotients(brain, blocks=LABELS):
    """What every pair of subjects sees, if each subject has a relabelling of its own."""
    each = [drawn(brain, subject, blocks) for subject in range(SUBJECTS)]
    return {(i, j): np.take_along_axis(each[j], np.argsort(each[i], axis=1), axis=1) for i, j in PAIRS}


def means(first, second, null_of, relabelled):
    """Mean over ordered pairs, (1 + samples, parcels): what was observed, and its null; `relabelled` by pair and direction."""
    total = 0.0
    for i, j in PAIRS:
        for a, b, which in ((first[i], second[j], 0), (second[i], first[j], 1)):
            rows = np.concatenate([IDENTITY, relabelled[i, j] if which == 0 or not isinstance(relabelled, Both)
                                   else relabelled.back[i, j]])
            total = total + null_of(a, b, rows)
    return total / (2 * len(PAIRS))


class Both(dict):
    """Relabellings by pair, and others for the pair in the other order (`back`)."""


def plain(a, b, rows):
    return permutation_null(a, b, paired=True, relabellings=rows)


def counted(rows):
    return p_values(rows[0], rows[1:]), rows


def between_sampled(brain, parcels):
    return counted(means(brain.own[:, parcels], brain.shifted[:, parcels], plain, quotients(brain)))


def between_closed(brain, parcels, rdms=None, **how):
    """Pearson III, or with skewness=False the normal distribution."""
    first, second = rdms or (brain.own[:, parcels], brain.shifted[:, parcels])
    i, j = np.array(PAIRS).T
    flat = lambda x: x.reshape(-1, x.shape[-1])
    sides = [flat(first[i]), flat(second[i])], [flat(second[j]), flat(first[j])]
    moments = joint_moments(*sides, [LABELS] * 2, **how)
    moments = mean_of_uncorrelated(MantelMoments(*(value.reshape(len(PAIRS), -1) for value in moments)))
    observed = sum(rsa(a, b, paired=True) for a, b in zip(*sides)).reshape(len(PAIRS), -1).mean(0) / 2
    return p_values(observed, moments), observed[None]


def one_relabelling(brain, parcels, blocks=LABELS):
    """As published (blocks=None), or of images: one relabelling of the second RDM of every ordered pair."""
    rows = drawn(brain, 0, blocks)
    common = Both({pair: rows for pair in PAIRS})
    common.back = {pair: np.argsort(rows, axis=1) for pair in PAIRS}
    return counted(means(brain.own[:, parcels], brain.shifted[:, parcels], plain, common))


def single_trials(brain, parcels):
    return counted(means(brain.own[:, parcels], brain.shifted[:, parcels], plain, quotients(brain, blocks=None)))


def controlled(brain, parcels, blocks=LABELS):
    first, second = brain.confounded[:, parcels], in_place_of_the_next(brain.confounded[:, parcels])
    null_of = lambda a, b, rows: partial_null(a, b, brain.control, paired=True, relabellings=rows)
    return counted(means(first, second, null_of, quotients(brain, blocks)))


def controlled_closed(brain, parcels):
    left = residuals(brain.confounded[:, parcels].reshape(-1, brain.control.size), brain.control)
    left = left.reshape(SUBJECTS, len(parcels), -1)
    return between_closed(brain, parcels, (left, in_place_of_the_next(left)), skewness=False)


def without_same_image(brain, parcels):
    kept = kept_pairs(["same-image"], {"image": LABELS})
    units = [masked_units(rdms[:, parcels].reshape(-1, len(kept)), kept).reshape(SUBJECTS, len(parcels), -1)
             for rdms in (brain.own, brain.shifted)]
    return between_closed(brain, parcels, units, skewness=False)


def without_neighbours(brain, parcels):
    """Pairs of trials less than 10 apart left out: sampled, of two subjects in one direction."""
    before = np.roll(brain.position.reshape(-1, 3), 1, axis=1).ravel()
    kept = [kept_pairs(["lag10"], {"position": position}) for position in (brain.position, before)]
    rows = np.concatenate([IDENTITY, drawn(brain, 0)])
    return counted(masked_null(brain.own[0, parcels], brain.shifted[1, parcels], *kept, rows))


def model_closed(brain, parcels):
    found = [subject_mean_moments(brain.alike[:, k], brain.layers[1], blocks=LABELS) for k in parcels]
    observed = np.array([rsa(brain.alike[:, k], brain.layers[1]).mean() for k in parcels])
    return p_values(observed, MantelMoments(*map(np.array, zip(*found)))), observed[None]


def best_layer(brain, parcels, own=False):
    """Best layer of every subject, mean over subjects; one relabelling of the model, or (not valid) one per subject."""
    rows = [np.concatenate([IDENTITY, drawn(brain, (9, subject * own))]) for subject in range(SUBJECTS)]
    null = sum(permutation_null(brain.alike[subject, parcels], brain.layers, relabellings=rows[subject], reduce="signed_max")
               for subject in range(SUBJECTS)) / SUBJECTS
    return counted(null)


def family(method):
    """Smallest family-wise p of all parcels, as one test."""
    def tested(brain, parcels):
        _, rows = method(brain, range(PARCELS))
        return max_p_values(rows[0], rows[1:]).min(keepdims=True), rows[:1]
    return tested


# name: (method, parcels per brain, kind)
METHODS = {
    "between subjects, images, sampled": (between_sampled, PER_BRAIN, "valid"),
    "between subjects, images, closed form, normal": (lambda b, k: between_closed(b, k, skewness=False), PER_BRAIN, "valid"),
    "between subjects, images, closed form, Pearson III": (between_closed, 1, "valid"),
    "without same-image pairs, closed form": (without_same_image, PER_BRAIN, "valid"),
    "without pairs < 10 trials apart, sampled": (without_neighbours, FEW, "valid"),
    "partial, images, Freedman-Lane, sampled": (controlled, FEW, "valid"),
    "partial, images, closed form of residuals": (controlled_closed, PER_BRAIN, "valid"),
    "with a model, one relabelling, closed form, Pearson III": (model_closed, FEW, "valid"),
    "with a model, best layer, one relabelling, sampled": (best_layer, FEW, "valid"),
    "family of 20 parcels: between subjects, max-T": (family(between_sampled), PARCELS, "family"),
    "family of 20 parcels, 5 layers: with a model, max-T": (family(best_layer), PARCELS, "family"),
    "as published: single trials, one relabelling": (lambda b, k: one_relabelling(b, k, None), FEW, "not valid"),
    "single trials, a relabelling per subject": (single_trials, FEW, "not valid"),
    "images, one relabelling for all pairs": (one_relabelling, FEW, "not valid"),
    "partial, single trials, Freedman-Lane": (lambda b, k: controlled(b, k, None), FEW, "not valid"),
    "with a model, best layer, a relabelling per subject": (lambda b, k: best_layer(b, k, own=True), FEW, "not valid")}


def rates(names, seeds, effect=0.0):
    """{name: (share of p <= ALPHA, its standard error over brains, mean statistic)}, every method on the same brains."""
    found = {name: [] for name in names}
    for seed in seeds:
        brain = Brain(seed, effect)
        for name in names:
            method, n_parcels, _ = METHODS[name]
            p, rows = method(brain, range(n_parcels))
            found[name].append((np.mean(p <= ALPHA + 1e-12), rows[0].mean()))
    columns = {name: np.array(values).T for name, values in found.items()}
    return {name: (share.mean(), share.std() / len(share) ** 0.5, r.mean()) for name, (share, r) in columns.items()}


def verdict(kind, share):
    if kind == "not valid":
        return "not valid"
    low, high = TARGET if kind == "valid" else FAMILY_TARGET
    return f"target {100 * low:g}-{100 * high:g} % {'reached' if low <= share <= high else 'MISSED'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("brains", 2000), ("family", 400), ("power", 100), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=number)
    chosen = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""                         # small problems: a GPU would only be waited for
    valid = [name for name in METHODS if METHODS[name][2] == "valid"]
    other = [name for name in METHODS if name not in valid]
    seeds = lambda number, part: [chosen.seed + 1_000_000 * part + k for k in range(number)]
    null = rates(valid, seeds(chosen.brains, 0)) | rates(other, seeds(chosen.family, 1))
    power = {effect: rates(METHODS, seeds(chosen.power, 2 + k), effect) for k, effect in enumerate(EFFECTS)}
    print(f"share of p <= {ALPHA} in %; {chosen.brains} brains, {chosen.family} for families and for what is not valid, "
          f"{chosen.power} per effect")
    for name, (_, n_parcels, kind) in METHODS.items():
        share, error, _ = null[name]
        there = "  ".join(f"{100 * power[effect][name][0]:5.1f} (r {power[effect][name][2]:.3f})" for effect in EFFECTS)
        print(f"{name:56s} {100 * share:5.1f} +- {100 * error:.1f}   {verdict(kind, share):26s} effects {EFFECTS}: {there}")
    print(json.dumps({"options": vars(chosen), "null": null, "power": power}))


if __name__ == "__main__":
    main()
