"""Asking a model one question about every picture: batches, retries, and what becomes of failures.

    ask(dataset, backend, PROMPTS["motion"], checkpoint, batch_size=8, retries=2, workers=2)     # fills the checkpoint
    table(dataset, checkpoint, model, "motion")                                                    # a row per picture

A picture ends as ok, as illegal (it was answered, but not with a legal answer, in `retries` further attempts either), or as
failed (it cannot be read, or the model raised an error even with this picture alone).
"""

from convergence.features.attempts import attempt, check_patience, sentence
from convergence.features.captions_backends import Request
from convergence.features.pictures import BatchSize, open_batches

COLUMNS = ("caption", "model", "prompt", "status", "reason")


def ask(dataset, backend, prompt, checkpoint, *, batch_size=8, retries=2, workers=2):
    """Put into the checkpoint a record for every image that has none, or had no legal answer before.

    Parameters
    ----------
    dataset : Dataset
    backend : see captions_backends
    prompt : Prompt
    checkpoint : Checkpoint
    batch_size : int or "auto"
        Pictures at a time; auto: 32, halved whenever memory runs out.
    retries : int
        Further attempts after an illegal answer: the conversation goes on with a reminder of what is legal, since at
        temperature 0 the same question gets the same answer.
    workers : int
        Threads that read pictures.

    Raises
    ------
    ValueError
        Memory does not suffice, or the model fails for every picture.
    """
    size, wrong, errors = BatchSize(batch_size), 0, []
    for batch, progress in open_batches(dataset, checkpoint, size, workers, title=prompt.name):
        records = [_record(image, "failed", "", reason) for image, _, reason in batch if reason]
        requests = [Request(image, picture, (prompt.text,)) for image, picture, reason in batch if not reason]
        asked = _settle(backend, prompt, requests, size, retries)
        checkpoint.append(records + asked)
        errors += [record for record in asked if record["status"] == "failed"]
        check_patience(errors, checkpoint)
        wrong += sum(record["status"] != "ok" for record in records + asked)
        progress.set_postfix_str(f"{wrong} without an answer" if wrong else "")


def table(dataset, checkpoint, model, prompt):
    """The dataset's table of images with what was answered: `caption`, `model`, `prompt`, `status`, `reason`, a row per image."""
    frame = dataset.images.drop(columns=list(COLUMNS), errors="ignore").rename_axis(dataset.image_key).reset_index()
    records = [checkpoint.records[int(image)] for image in frame[dataset.image_key]]
    for column in ("caption", "status", "reason"):
        frame[column] = [record[column] for record in records]
    return frame.assign(model=model, prompt=prompt)[[c for c in frame if c not in COLUMNS] + list(COLUMNS)]


def _settle(backend, prompt, requests, size, retries):
    """Records of the requests, in their order, after as many attempts as they need."""
    records, open_requests = {}, requests
    for n_attempts in range(1, retries + 2):
        following = []
        answers = attempt(lambda part: backend.answer(part, max_tokens=prompt.max_tokens), open_requests, size)
        for request, answer in zip(open_requests, answers):
            if isinstance(answer, Exception):
                records[request.image] = _record(request.image, "failed", "", sentence(answer), n_attempts)
                continue
            status, caption, reason = prompt.settle(answer.text, answer.finished)
            records[request.image] = _record(request.image, status, caption, reason, n_attempts)
            if status != "ok":
                following.append(Request(request.image, request.picture, (*request.turns, answer.text, prompt.reminder())))
        open_requests = following
    return [records[request.image] for request in requests]


def _record(image, status, caption, reason, attempts=0):
    return {"image": image, "caption": caption, "status": status, "reason": reason, "attempts": attempts}
