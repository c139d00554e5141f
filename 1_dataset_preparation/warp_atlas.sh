#!/usr/bin/env bash
# The HCP-MMP1 atlas in the space of a BOLD5000 subject's betas, by registration with FSL: T1 to MNI, functional volume to T1, and both back.
#
#   warp_atlas.sh --subject 1 --bold MEAN.nii.gz --t1 T1.nii.gz --atlas HCP-MMP1_on_MNI152.nii.gz --out PREPROCESSED/atlas [--dry-run]
#
# Reads    --bold       a functional volume ON THE GRID OF THE BETAS and with an orientation of its own (mean functional volume): the atlas
#                       gets its grid. It is never reoriented: that would mirror the atlas against the betas.
#          --t1         the subject's T1 scan (OpenNeuro ds001499)
#          --atlas      labels in MNI space (figshare 3501911): 1..360, or 1..180 and 201..380, or 1..180 on both sides, then with
#          --hemispheres FILE    1 left, 2 right, in the same space as the atlas
#          --mni, --mni-head     MNI152 without and with skull, 2 mm; default: those of FSL ($FSLDIR)
#          --fraction-t1 0.25, --fraction-bold 0.40    of bet: smaller keeps more; look at the skull-stripped volumes
# Writes   <out>/subj-0S_HCP_atlas_func_360.nii.gz (and subj-0S_hemispheres_func.nii.gz), and <out>/steps-0S/ with every step in between
# Time     about an hour, most of it the non-linear registration; some 300 MB
#
# The brain's centre is estimated for every subject. Stopped or failed, run the same command again: a step is skipped if its output was made by
# the same command and is newer than what it reads. --dry-run prints every command that would run, and runs none (nor needs FSL).
# Afterwards: python 1_dataset_preparation/1_check_dataset.py --dataset bold5000 --deep tests grid, labels, left and right.

set -euo pipefail

fail() { echo "error: $*" >&2; exit 1; }
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

subject="" bold="" t1="" atlas="" hemispheres="" out="" dry_run=""
mni="${FSLDIR:-\$FSLDIR}/data/standard/MNI152_T1_2mm_brain.nii.gz"
mni_head="${FSLDIR:-\$FSLDIR}/data/standard/MNI152_T1_2mm.nii.gz"
fraction_t1=0.25 fraction_bold=0.40
while (($#)); do
    case "$1" in
        --help|-h) usage; exit 0 ;;
        --dry-run) dry_run=yes; shift; continue ;;
        --subject|--bold|--t1|--atlas|--hemispheres|--out|--mni|--mni-head|--fraction-t1|--fraction-bold) ;;
        *) fail "$1: no option of this script; --help lists them" ;;
    esac
    (($# > 1)) || fail "$1: a value is missing; --help explains it"
    name="${1#--}"
    printf -v "${name//-/_}" '%s' "$2"
    shift 2
done
for name in subject bold t1 atlas out; do
    [[ -n "${!name}" ]] || fail "--$name is missing; --help explains it"
done
[[ "$subject" =~ ^[0-9]+$ ]] || fail "--subject: '$subject' is no number; give 1 for CSI1"

number="$(printf '%02d' "$((10#$subject))")"
steps="$out/steps-$number"
partial="$steps/partial"
run_any="" renewed="|"                  # outputs that this run makes (a dry run: would make) anew
export FSLOUTPUTTYPE=NIFTI_GZ

if [[ -z "$dry_run" ]]; then
    for file in "$bold" "$t1" "$atlas" ${hemispheres:+"$hemispheres"} "$mni" "$mni_head"; do
        [[ -f "$file" ]] || fail "$file is not there; give the right file (--help lists what is read)"
    done
    for tool in bet fslreorient2std flirt fnirt invwarp convert_xfm convertwarp applywarp; do
        command -v "$tool" > /dev/null || fail "$tool of FSL is not on the PATH; install FSL (fsl.fmrib.ox.ac.uk) and load it, or use --dry-run"
    done
    mkdir -p "$partial"
fi

# step OUTPUT INPUT... -- COMMAND...: make OUTPUT, written by the command as "$partial/<name>", unless it is there, made by the same command, and
# newer than its inputs.
step() {
    local output="$1" command inputs=() input fresh=yes
    local note="$steps/$(basename "$1").command" made="$partial/$(basename "$1")"
    shift
    while [[ "$1" != -- ]]; do inputs+=("$1"); shift; done
    shift
    command="$(printf '%q ' "$@")"
    [[ -s "$output" && -f "$note" && "$(< "$note")" == "$command" ]] || fresh=""
    for input in "${inputs[@]}"; do
        [[ ! "$input" -nt "$output" && "$renewed" != *"|$input|"* ]] || fresh=""
    done
    if [[ -n "$fresh" ]]; then
        echo "done before: $output"
        return
    fi
    echo "$command"
    run_any=yes
    renewed+="$output|"
    [[ -z "$dry_run" ]] || return 0
    rm -f "$output" "$note" "$made"
    "$@" || fail "$1 failed (its message stands above); mend what it says and run the same command again: finished steps are kept"
    [[ -s "$made" ]] || fail "$1 ended without writing $made; run the same command again"
    mv "$made" "$output"
    printf '%s\n' "$command" > "$note"
}

# 1-3: brains without skulls. -R estimates the centre again and again until it stays.
step "$steps/t1.nii.gz" "$t1" -- fslreorient2std "$t1" "$partial/t1.nii.gz"
step "$steps/t1_brain.nii.gz" "$steps/t1.nii.gz" -- bet "$steps/t1.nii.gz" "$partial/t1_brain.nii.gz" -R -f "$fraction_t1"
step "$steps/bold_brain.nii.gz" "$bold" -- bet "$bold" "$partial/bold_brain.nii.gz" -R -f "$fraction_bold"
# 4-6: functional volume to T1 (rigid), T1 to MNI (affine, then non-linear, with FSL's own configuration).
step "$steps/bold_to_t1.mat" "$steps/bold_brain.nii.gz" "$steps/t1_brain.nii.gz" -- \
    flirt -in "$steps/bold_brain.nii.gz" -ref "$steps/t1_brain.nii.gz" -dof 6 -omat "$partial/bold_to_t1.mat"
step "$steps/t1_to_mni.mat" "$steps/t1_brain.nii.gz" "$mni" -- \
    flirt -in "$steps/t1_brain.nii.gz" -ref "$mni" -dof 12 -omat "$partial/t1_to_mni.mat"
step "$steps/t1_to_mni_warp.nii.gz" "$steps/t1.nii.gz" "$steps/t1_to_mni.mat" "$mni_head" -- \
    fnirt --in="$steps/t1.nii.gz" --ref="$mni_head" --aff="$steps/t1_to_mni.mat" --config=T1_2_MNI152_2mm --cout="$partial/t1_to_mni_warp.nii.gz"
# 7-9: the way back, in one warp.
step "$steps/mni_to_t1_warp.nii.gz" "$steps/t1_to_mni_warp.nii.gz" "$steps/t1.nii.gz" -- \
    invwarp --warp="$steps/t1_to_mni_warp.nii.gz" --ref="$steps/t1.nii.gz" --out="$partial/mni_to_t1_warp.nii.gz"
step "$steps/t1_to_bold.mat" "$steps/bold_to_t1.mat" -- convert_xfm -omat "$partial/t1_to_bold.mat" -inverse "$steps/bold_to_t1.mat"
step "$steps/mni_to_bold_warp.nii.gz" "$steps/mni_to_t1_warp.nii.gz" "$steps/t1_to_bold.mat" "$bold" -- \
    convertwarp --ref="$bold" --warp1="$steps/mni_to_t1_warp.nii.gz" --postmat="$steps/t1_to_bold.mat" --out="$partial/mni_to_bold_warp.nii.gz"
# 10-11: labels, nearest neighbour.
labels="$out/subj-${number}_HCP_atlas_func_360.nii.gz"
step "$labels" "$atlas" "$bold" "$steps/mni_to_bold_warp.nii.gz" -- \
    applywarp --in="$atlas" --ref="$bold" --warp="$steps/mni_to_bold_warp.nii.gz" --interp=nn --datatype=short --out="$partial/$(basename "$labels")"
if [[ -n "$hemispheres" ]]; then
    sides="$out/subj-${number}_hemispheres_func.nii.gz"
    step "$sides" "$hemispheres" "$bold" "$steps/mni_to_bold_warp.nii.gz" -- applywarp --in="$hemispheres" --ref="$bold" \
        --warp="$steps/mni_to_bold_warp.nii.gz" --interp=nn --datatype=short --out="$partial/$(basename "$sides")"
fi

if [[ -n "$dry_run" ]]; then
    [[ -n "$run_any" ]] && echo "dry run: the commands above would run" || echo "dry run: everything is done, nothing would run"
    exit 0
fi
rm -rf "$partial"
if [[ -n "$run_any" ]]; then
    echo "$labels is made; python 1_dataset_preparation/1_check_dataset.py --dataset bold5000 --deep tests it"
else
    echo "$labels was made before"
fi
