"""Ask an image-text model about every picture of a dataset: a caption, or one of a few labels.

Reads    the dataset's pictures (nsd: nsd.csv and nsd_stimuli.hdf5).
Writes   <derivatives>/captions/<dataset>-captions-<model>.csv      one sentence per picture (--prompts caption, the default)
         <derivatives>/captions/<dataset>-<prompt>-<model>.csv      a label per picture:
             motion   motion, static
             indoor   indoor, natural, urban, object
             scene    Scene-dominated, Object-in-Scene, Object-dominated
         <derivatives>/captions/<dataset>-content-<model>.csv       those labels side by side: motion, setting, dominance
         Every table has a row per picture, with `status` (ok, failed, illegal) and `reason`.

    python 2_model_extraction/2_caption_images.py --root /data/nsd
    python 2_model_extraction/2_caption_images.py --root /data/nsd --prompts motion indoor scene --model /data/SmolVLM-Instruct
    python 2_model_extraction/2_caption_images.py --root /data/nsd --backend vllm          # as published: Pixtral-12B
    python 2_model_extraction/2_caption_images.py --root /data/nsd --ask "Is there food in this picture? Reply yes or no." \\
                                                  --labels yes no --ask-name food

The models of transformers are those of its class AutoModelForImageTextToText that have a chat template, by hub id or folder.
Answers are greedy (temperature 0). A label that is not one of the legal ones is asked for again (--retries), with a reminder;
then the picture is `illegal`. A picture that cannot be read, or at which the model raises an error, is `failed`.
Every batch is kept: stop whenever you like (or lose the machine), and run the same command again to go on. Pictures without an
answer are named at the end and the exit status is 1; the same command asks about those alone again, and --skip-bad accepts the
table as it is.
Time: try some pictures first, it depends on the model: expect a fraction of a second a picture on a large GPU, and a hundred
times that on a CPU core. A model is loaded once for all --prompts. Memory: 2 bytes per parameter on a GPU (4 on a CPU) and a
batch. Disk: 0.2 KB a picture.
"""

import sys

from convergence.cli import command, options


@command
def main(arguments=None):
    parser = options(__doc__, "dataset", "root", "derivatives", "device", "seed", "overwrite", "dry-run")
    parser.add_argument("--prompts", nargs="+", choices=("caption", "motion", "indoor", "scene"), metavar="PROMPT",
                        help="what to ask: caption (default), motion, indoor, scene")
    parser.add_argument("--ask", metavar="TEXT",
                        help="a question of your own instead; its answer is free text unless --labels says what is legal")
    parser.add_argument("--labels", nargs="+", metavar="LABEL", help="with --ask: the legal answers")
    parser.add_argument("--ask-name", default="answer", metavar="NAME",
                        help="with --ask: what the file is called (default: answer)")
    parser.add_argument("--backend", choices=("transformers", "vllm", "dummy"), default="transformers",
                        help="transformers (default); vllm: large models on large GPUs, installed on its own; dummy: made-up "
                             "answers, to try things out")
    parser.add_argument("--model", metavar="NAME",
                        help="hub id or folder (default: HuggingFaceTB/SmolVLM-Instruct; vllm: mistralai/Pixtral-12B-2409)")
    parser.add_argument("--name", metavar="NAME",
                        help="what files call the model (default: the last part of its id; Pixtral-12B-2409: pixtral)")
    parser.add_argument("--revision", metavar="COMMIT", help="of the model on the hub")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16", "float16"), default="auto",
                        help="type of weights and computation; auto (default): bfloat16 on a GPU, float32 on a CPU")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest answer (default: 128 for sentences, 16 for labels)")
    parser.add_argument("--retries", type=int, default=2, metavar="N",
                        help="further attempts after an illegal answer (default: 2)")
    parser.add_argument("--batch-size", default="8", metavar="N",
                        help="pictures at a time (default: 8); auto: 32, halved whenever memory runs out")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads that read pictures (default: 2)")
    parser.add_argument("--parquet", action="store_true", help="write every table as .parquet, too")
    parser.add_argument("--skip-bad", action="store_true", help="accept tables in which pictures have no answer")
    parser.add_argument("--inject", nargs="+", metavar="fail|illegal=N,N",
                        help="dummy backend: image numbers at which it misbehaves")
    chosen = parser.parse_args(arguments)

    from convergence.datasets import open_dataset
    from convergence.features.captions import caption_jobs, injected, questions
    from convergence.features.captions_run import run_captions
    from convergence.storage.paths import derivatives_folder

    prompts = questions(chosen.prompts, ask=chosen.ask, labels=chosen.labels, name=chosen.ask_name, max_tokens=chosen.max_tokens)
    dataset, derivatives = open_dataset(chosen.dataset, chosen.root), derivatives_folder(chosen.derivatives)
    jobs = caption_jobs(dataset, prompts, derivatives, backend=chosen.backend, model=chosen.model, name=chosen.name,
                        revision=chosen.revision, dtype=chosen.dtype, seed=chosen.seed, retries=chosen.retries,
                        device=chosen.device, batch_size=chosen.batch_size, workers=chosen.workers,
                        inject=injected(chosen.inject))
    run_captions(jobs, overwrite=chosen.overwrite, dry_run=chosen.dry_run, skip_bad=chosen.skip_bad, parquet=chosen.parquet)


if __name__ == "__main__":
    sys.exit(main())
