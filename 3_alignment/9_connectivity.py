"""The representational network: which parcels represent alike, the backbone of that network, its pathways and directions.

reads    rsa_subject_subject_alignment_shift_1_joined.parquet (2_subject_subject.py), metadata/hcp.csv; for depths, if it is
         there, rsa_subject_model_alignment_joined.parquet (3_subject_model.py) and metadata/models-info.csv
writes   <derivatives>/<dataset>/connectivity_nodes.parquet     parcels: degree, strength, betweenness, participation, pathway,
                                                                depth, spectral order
         <derivatives>/<dataset>/connectivity_edges.parquet     edges: similarity, direction and bootstrap frequency
time     seconds; NSD's table of 2 million rows takes about a minute and 1 GB of memory

    python 3_alignment/9_connectivity.py --dataset nsd
    python 3_alignment/9_connectivity.py --nodes 60 --trees 2 --disattenuate
    python 3_alignment/9_connectivity.py --reference

Both tables hold the network within subjects (parcels of one brain, one repetition apart) and between them; column `subjects`
says which. Nodes are the parcels with the highest similarity to themselves within subjects. Edges point from the shallower to the
deeper parcel where subjects agree on the order.

--reference: of the two similarities of a pair of parcels the one whose parcel of subject_i has the larger number counts, depths
are those of the largest |r| in every session, and directions are corrected for all pairs of parcels.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "derivatives", "hemispheres", "permutations", "seed", "overwrite", "dry-run",
                     "reference")
    parser.add_argument("--nodes", type=int, default=30, metavar="N", help="parcels with the highest reliability (default: 30)")
    parser.add_argument("--trees", type=int, default=3, metavar="K", help="spanning trees of the backbone (default: 3)")
    parser.add_argument("--disattenuate", action="store_true", help="divide similarities by the root of both parcels' own")
    parser.add_argument("--depth", choices=("mean_curve", "signed_max", "center_of_mass", "cross_validated"),
                        help="rule of the peak layer (default: mean_curve; with --reference signed_max)")
    parser.add_argument("--bootstrap", type=int, default=1_000, metavar="N",
                        help="samples of subjects for the frequency of edges (default: 1,000)")
    chosen = parser.parse_args(arguments)
    if chosen.nodes < 4:
        raise ValueError(f"--nodes: {chosen.nodes} parcels are no network; ask for at least 4")

    from convergence.alignment.connectivity import network_units
    from convergence.storage.paths import derivatives_folder
    from convergence.tasks import run_units

    units = network_units(derivatives_folder(chosen.derivatives), chosen.dataset, n_nodes=chosen.nodes, n_trees=chosen.trees,
                          hemispheres=chosen.hemispheres, disattenuate=chosen.disattenuate,
                          rule=chosen.depth or ("signed_max" if chosen.reference else "mean_curve"), n_bootstrap=chosen.bootstrap,
                          n_permutations=chosen.permutations, seed=chosen.seed, reference=chosen.reference)
    if "layers" not in units[0].places:
        print("note: no depths and directions: 3_alignment/3_subject_model.py has not written its table, or models-info.csv is "
              "not there")
    run_units(units, title="network", overwrite=chosen.overwrite, dry_run=chosen.dry_run)


if __name__ == "__main__":
    sys.exit(main())
