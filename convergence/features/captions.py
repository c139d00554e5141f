"""What captioning has to do: one model answers one question about every picture of a dataset, in one table.

    jobs = caption_jobs(dataset, [PROMPTS["caption"], PROMPTS["motion"]], derivatives, model="HuggingFaceTB/SmolVLM-Instruct")
    run_captions(jobs)                              # captions_run.py
    read_captions(path)                             # a table, where "NA" is a text
    content_table(tables, "nsd_id")                 # motion, setting, dominance per picture, from the tables of three prompts

A table always has a row per picture; where there is no legal answer, `caption` is empty, and `status` (failed, illegal) and
`reason` say why. While a run is under way its answers lie in .<table>.jsonl beside the table; they stay there until every picture
is answered, so that the next run asks again about those alone. This module is light: what is done is known before torch is
imported.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from convergence.features.captions_prompts import CONTENT, PROMPTS, Prompt
from convergence.features.extraction import existing
from convergence.features.extraction import plain_name
from convergence.storage.outputs import fingerprint
from convergence.storage.tables import file_of

DEFAULT_MODELS = {"transformers": "HuggingFaceTB/SmolVLM-Instruct", "vllm": "mistralai/Pixtral-12B-2409", "dummy": "dummy"}
_PUBLISHED = {"mistralai/Pixtral-12B-2409": "pixtral"}          # what the published tables call it


def caption_jobs(dataset, prompts, derivatives, *, backend="transformers", model=None, name=None, revision=None, dtype="auto",
                 seed=0, retries=2, device="auto", batch_size=8, workers=2, inject=None):
    """Who writes <derivatives>/captions/<dataset>-captions-<name>.csv (prompt "caption"), and <dataset>-<prompt>-<name>.csv.

    Parameters
    ----------
    dataset : Dataset
    prompts : list of Prompt
    derivatives : path
    backend : {"transformers", "vllm", "dummy"}
    model : str, optional
        Hub id or folder; default: the backend's in DEFAULT_MODELS.
    name : str, optional
        What files call the model; default: the last part of its id.
    revision : str, optional
        Commit of the hub.
    dtype : {"auto", "float32", "bfloat16", "float16"}
        Type of weights and computation; auto: bfloat16 on a GPU, float32 on a CPU.
    seed, retries : int
        See captions_answers.ask.
    device, batch_size, workers
        Do not decide the result, but for rounding.
    inject : dict, optional
        fail, illegal: images at which the dummy misbehaves.

    Returns
    -------
    list of dict
        Keyword arguments of ``tasks.Unit``, one per prompt.

    Raises
    ------
    ValueError
        Misbehaviour is asked of another backend than the dummy.
    FileNotFoundError
        The pictures are not there.
    """
    if inject and backend != "dummy":
        raise ValueError(f"inject: only the dummy backend fails on demand, not {backend!r}")
    model = str(model or DEFAULT_MODELS[backend])
    name = plain_name(name or _PUBLISHED.get(model) or Path(model).name)
    folder = [Path(model)] if Path(model).is_dir() else []
    inputs = (*existing(dataset.stimulus_files(), f"the pictures of {dataset.name}"), *folder)
    jobs = []
    for prompt in prompts:
        output = Path(derivatives) / table_file(dataset.name, prompt.name, name)
        options = {"backend": backend, "model": Path(model).name if folder else model, "revision": revision, "dtype": dtype,
                   "seed": seed, "retries": retries, "prompt": prompt.name, "text": prompt.text, "labels": list(prompt.labels),
                   "max_tokens": prompt.max_tokens}
        places = {"dataset": dataset, "source": model, "name": name, "checkpoint": checkpoint_file(output), "account": output,
                  "inputs": inputs, "device": device, "batch_size": batch_size, "workers": workers, "inject": inject or {}}
        jobs.append(dict(name=f"{name}: {prompt.name}", output=output, function=caption_images, inputs=inputs,
                         options=options, places=places))
    return jobs


def questions(names=None, *, ask=None, labels=None, name="answer", max_tokens=None):
    """The prompts that a command line means: some of PROMPTS (default: caption), or one of the user's own.

    Raises
    ------
    ValueError
        Both or halves of both are given, or the name would hide another table.
    """
    if ask is None and labels:
        raise ValueError(f"labels {labels}: they are the legal answers to a question of your own; give it with --ask")
    if ask is not None:
        if names:
            raise ValueError("--ask and --prompts exclude each other; run the command once for each")
        name = plain_name(name)
        if name in (*PROMPTS, "captions", "content"):
            raise ValueError(f"--ask-name: {name!r} is the name of another table; choose one that is not {', '.join(PROMPTS)}, "
                             "captions, content")
        chosen = [Prompt(name, ask, tuple(labels or ()), 16 if labels else 128)]
    else:
        chosen = [PROMPTS[known] for known in dict.fromkeys(names or ["caption"])]
    return [replace(prompt, max_tokens=max_tokens) if max_tokens else prompt for prompt in chosen]


def injected(texts):
    """{"fail": [31], "illegal": [14, 5]} from ["fail=31", "illegal=14,5"]: where the dummy backend misbehaves."""
    found = {}
    for text in texts or ():
        kind, _, numbers = text.partition("=")
        if kind not in ("fail", "illegal") or not all(number.isdigit() for number in numbers.split(",")):
            raise ValueError(f"inject: expected fail=N,N or illegal=N,N with image numbers, found {text!r}")
        found[kind] = [int(number) for number in numbers.split(",")]
    return found


def content_of(jobs):
    """Keyword arguments of the ``tasks.Unit`` that puts labels side by side, or None where no job asks for any.

    Tables of the other prompts that an earlier run left are taken along.
    """
    labelled = [job for job in jobs if job["options"]["prompt"] in CONTENT]
    if not labelled:
        return None
    dataset, name = (labelled[0]["places"][key] for key in ("dataset", "name"))
    folder = labelled[0]["output"].parent
    places = {prompt: folder / Path(table_file(dataset.name, prompt, name)).name for prompt in CONTENT}
    tables = {prompt: path for prompt, path in places.items() if path.exists()}
    output = folder / file_of("picture_content", dataset=dataset.name, model=name).name
    return dict(name="content", output=output, function=content_table, places={"tables": tables, "image_key": dataset.image_key},
                inputs=tuple(tables.values()))


def caption_images(backend, model, revision, dtype, seed, retries, prompt, text, labels, max_tokens, *, dataset, source, name,
                   checkpoint, account, inputs, device, batch_size, workers, inject):
    """One job of `caption_jobs`: returns the table."""
    from convergence.features.captions_answers import ask, table
    from convergence.features.captions_backends import BACKENDS
    from convergence.features.checkpoint import Checkpoint

    known = {"/".join(Path(path).parts[-3:]): fingerprint(path) for path in inputs}
    plan = {"dataset": dataset.name, "backend": backend, "model": model, "revision": revision, "dtype": dtype, "seed": seed,
            "retries": retries, "text": text, "labels": labels, "max_tokens": max_tokens, "inputs": known}
    answers = Checkpoint(checkpoint, plan)
    if any(answers.records.get(int(image), {}).get("status") != "ok" for image in dataset.images.index):
        wrong = {kind: tuple(images) for kind, images in inject.items()}
        extra = {"labels": tuple(labels), **wrong} if backend == "dummy" else {}
        loaded = _loaded(BACKENDS[backend], source, revision=revision, seed=seed, dtype=dtype, device=str(device), **extra)
        try:
            ask(dataset, loaded, Prompt(prompt, text, tuple(labels), max_tokens), answers, batch_size=batch_size, retries=retries,
                workers=workers)
        finally:
            answers.close()
    return table(dataset, answers, name, prompt)


@lru_cache(maxsize=1)
def _loaded(backend, source, **options):
    """The backend, loaded once for all questions of a run: a second one would not fit beside it on a GPU."""
    return backend(source, **options)


def table_file(dataset, prompt, name):
    """Where a table lies below derivatives/, as published for the prompt "caption"."""
    if prompt == "caption":
        return file_of("captions", dataset=dataset, model=name)
    return file_of("picture_labels", dataset=dataset, prompt=prompt, model=name)


def checkpoint_file(output):
    return Path(output).with_name(f".{Path(output).name}.jsonl")


def read_captions(path):
    """A table that captioning wrote; texts such as "NA" stay texts."""
    import pandas

    texts = dict.fromkeys(("caption", "model", "prompt", "status", "reason"), str)
    table = pandas.read_csv(path, dtype=texts, keep_default_na=False)
    lacking = [column for column in ("caption", "prompt", "status", "reason") if column not in table]
    if lacking:
        raise ValueError(f"{path} has the columns {list(table)}, {lacking} are missing; "
                         "2_model_extraction/2_caption_images.py writes it")
    return table


def content_table(tables, image_key):
    """Labels by which pictures are divided, from the tables of the prompts motion, indoor and scene.

    Parameters
    ----------
    tables : {prompt name: path}
        Some or all of the three.
    image_key : str

    Returns
    -------
    DataFrame
        image_key, and those of motion (motion, static), setting (indoor, natural, urban, object) and dominance (Scene-dominated,
        Object-in-Scene, Object-dominated) that there are tables of; "" where a picture has no legal answer.

    Raises
    ------
    ValueError
        The tables are not about the same pictures.
    """
    columns = {}
    for prompt, column in CONTENT.items():
        if prompt in tables:
            table = read_captions(tables[prompt])
            columns[column] = table.set_index(image_key)["caption"]
    first, *others = columns.values()
    if any(not other.index.equals(first.index) for other in others):
        raise ValueError(f"{', '.join(map(str, tables.values()))} list different pictures; caption the dataset "
                         "again with all three prompts")
    return first.index.to_frame(index=False).assign(**{column: labels.to_numpy() for column, labels in columns.items()})
