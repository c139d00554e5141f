"""Captions: legal answers, batches that fail, retries, and the table that says what became of every picture."""

import pandas
import pytest
from fake_dataset import IDS, ManyPictures, write_seven_pictures

from convergence.features.captions import caption_images, caption_jobs, content_table, injected, questions, read_captions
from convergence.features.captions_answers import ask, table
from convergence.features.captions_backends import Answer, Dummy
from convergence.features.captions_prompts import PROMPTS, Prompt
from convergence.features.checkpoint import Checkpoint

YES = Prompt("yes", "yes?", ("yes", "no-way"), 4)


@pytest.fixture
def seven(tmp_path):
    return write_seven_pictures(tmp_path / "seven")


class Scripted:
    """Answers by image with the next of its script; an exception is raised; every call is kept."""

    def __init__(self, script):
        self.script, self.calls = {image: list(answers) for image, answers in script.items()}, []

    def answer(self, requests, *, max_tokens):
        self.calls.append([(request.image, request.turns) for request in requests])
        wrong = [answer for request in requests if isinstance(answer := self.script[request.image][0], Exception)]
        if wrong:
            raise wrong[0]
        return [Answer(self.script[request.image].pop(0)) for request in requests]


def asked(dataset, backend, prompt, path, **options):
    checkpoint = Checkpoint(path / ".c.jsonl", {})
    ask(dataset, backend, prompt, checkpoint, **options)
    return {image: (r["status"], r["caption"], r["reason"]) for image, r in checkpoint.records.items()}


@pytest.mark.parametrize("said, legal", [
    ("motion", "motion"), (" Motion. ", "motion"), ("**STATIC**\n", "static"), ('"static"', "static"),
    ("not static", None), ("motion or static", None), ("It is in motion.", None), ("stat", None)])
def test_a_label_counts_only_alone(said, legal):
    status, caption, reason = PROMPTS["motion"].settle(said)
    assert (status, caption) == (("ok", legal) if legal else ("illegal", ""))
    assert legal or reason == f"it answered {said!r}, not one of motion, static"


def test_labels_are_spelled_as_declared_and_free_text_is_one_whole_line():
    assert PROMPTS["scene"].settle("object in scene") == ("ok", "Object-in-Scene", "")
    assert PROMPTS["scene"].settle("OBJECT_DOMINATED") == ("ok", "Object-dominated", "")
    assert PROMPTS["caption"].settle(" A dog;\n two cats. ") == ("ok", "A dog; two cats.", "")
    assert PROMPTS["caption"].settle("A dog and", finished=False) == (
        "illegal", "", "its answer did not end within 128 tokens: 'A dog and'")
    assert PROMPTS["caption"].settle(" \n") == ("failed", "", "it answered nothing") == PROMPTS["motion"].settle("")


def test_the_four_questions_have_the_published_answers():
    assert {name: prompt.labels for name, prompt in PROMPTS.items()} == {
        "caption": (), "motion": ("motion", "static"), "indoor": ("indoor", "natural", "urban", "object"),
        "scene": ("Scene-dominated", "Object-in-Scene", "Object-dominated")}
    assert all(label in prompt.text for prompt in PROMPTS.values() for label in prompt.labels)


def test_illegal_answers_are_asked_for_again_with_a_reminder(seven, tmp_path):
    script = {image: ["yes"] for image in IDS} | {2: ["maybe", "perhaps", "No way"], 5: ["a", "b", "c"]}
    backend = Scripted(script)
    found = asked(seven, backend, YES, tmp_path, batch_size=3)
    assert found[9] == ("ok", "yes", "") and found[2] == ("ok", "no-way", "")
    assert found[5] == ("illegal", "", "it answered 'c', not one of yes, no-way")
    assert [[image for image, _ in call] for call in backend.calls] == [[9, 2, 31], [2], [2], [14, 5, 20], [5], [5], [3]]
    reminder = "That is not one of the possible answers. Reply with exactly one of these and nothing else: yes, no-way."
    assert backend.calls[2] == [(2, ("yes?", "maybe", reminder, "perhaps", reminder))]


def test_a_failing_picture_does_not_take_its_batch_along(seven, tmp_path):
    seven.path(14).write_bytes(b"not a picture")
    backend = Scripted({image: ["yes"] for image in IDS} | {31: [RuntimeError("no such\n kernel")]})
    found = asked(seven, backend, YES, tmp_path, batch_size=5)
    assert {image for image, (status, _, _) in found.items() if status == "ok"} == set(IDS) - {14, 31}
    assert found[31] == ("failed", "", "RuntimeError: no such kernel")
    assert found[14][:2] == ("failed", "")
    assert found[14][2].startswith("the picture of seven_id 14 cannot be read: cannot identify")


def test_only_pictures_without_a_legal_answer_are_asked_again(seven, tmp_path):
    asked(seven, Scripted({image: ["yes"] for image in IDS} | {31: [OSError("disk")], 3: ["x"]}), YES, tmp_path, retries=0)
    backend = Scripted({31: ["yes"], 3: ["no way"]})
    found = asked(seven, backend, YES, tmp_path, batch_size=8)
    assert [[image for image, _ in call] for call in backend.calls] == [[31, 3]] and list(found) == IDS
    assert all(status == "ok" for status, _, _ in found.values())


def test_out_of_memory_halves_the_batch(seven, tmp_path):
    class Small(Dummy):
        sizes = []

        def answer(self, requests, *, max_tokens):
            self.sizes.append(len(requests))
            if len(requests) > 2:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
            return super().answer(requests, max_tokens=max_tokens)

    found = asked(seven, Small(), PROMPTS["caption"], tmp_path, batch_size="auto")
    assert Small.sizes[0] == 7 and sorted(found) == sorted(IDS) and {status for status, _, _ in found.values()} == {"ok"}
    with pytest.raises(ValueError, match="out of memory with 7 pictures at a time .* use --batch-size auto, or fewer"):
        asked(seven, Small(), PROMPTS["caption"], tmp_path / "b", batch_size=8)


def test_a_model_that_fails_everywhere_is_stopped(tmp_path):
    dataset = ManyPictures(200)
    with pytest.raises(ValueError, match="the model failed with each of the first 32 pictures, the last time: RuntimeError: a f"):
        asked(dataset, Dummy(fail=dataset.images.index), PROMPTS["caption"], tmp_path, batch_size=8)
    assert len(dataset.read) < 60


def test_the_table_has_the_images_columns_and_every_picture(seven, tmp_path):
    checkpoint = Checkpoint(tmp_path / ".c.jsonl", {})
    ask(seven, Dummy(labels=PROMPTS["motion"].labels, illegal=[5], fail=[20]), PROMPTS["motion"], checkpoint)
    frame = table(seven, checkpoint, "dummy", "motion")
    assert list(frame) == ["seven_id", "mode", "caption", "model", "prompt", "status", "reason"]
    assert frame["seven_id"].tolist() == IDS
    assert set(frame.loc[frame["status"] == "ok", "caption"]) == {"motion", "static"}
    assert ((frame["caption"] == "") == (frame["status"] != "ok")).all()
    assert ((frame["reason"] == "") == (frame["status"] == "ok")).all()
    assert frame.set_index("seven_id")["status"].loc[[5, 20]].tolist() == ["illegal", "failed"]


def test_labels_stand_side_by_side(tmp_path):
    rows = pandas.DataFrame({"nsd_id": [7, 3], "caption": ["motion", ""], "prompt": "motion", "status": ["ok", "illegal"],
                             "reason": ["", "r"]})
    rows.to_csv(tmp_path / "m.csv", index=False)
    rows.assign(caption=["Object-in-Scene", "Scene-dominated"], status="ok").to_csv(tmp_path / "s.csv", index=False)
    found = content_table({"motion": tmp_path / "m.csv", "scene": tmp_path / "s.csv"}, "nsd_id")
    assert found.to_dict("list") == {"nsd_id": [7, 3], "motion": ["motion", ""],
                                     "dominance": ["Object-in-Scene", "Scene-dominated"]}
    rows[::-1].to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(ValueError, match="m.csv, .*s.csv list different pictures; caption the dataset again"):
        content_table({"motion": tmp_path / "m.csv", "scene": tmp_path / "s.csv"}, "nsd_id")
    rows[["nsd_id", "caption"]].to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(ValueError, match=r"other.csv has the columns \['nsd_id', 'caption'\], \['prompt', 'status', 'reason'\] "
                                         "are missing; 2_model_extraction/2_caption_images.py writes it"):
        read_captions(tmp_path / "other.csv")


def test_text_that_looks_like_nothing_stays_text(tmp_path):
    frame = pandas.DataFrame({"nsd_id": [1], "caption": ["NA"], "prompt": ["null"], "status": ["ok"], "reason": [""]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert read_captions(tmp_path / "t.csv").iloc[0].tolist() == [1, "NA", "null", "ok", ""]


def test_jobs_name_files_as_published(seven, tmp_path):
    job, = caption_jobs(seven, questions(), tmp_path, backend="vllm")
    assert job["output"] == tmp_path / "captions" / "seven-captions-pixtral.csv" and len(job["inputs"]) == 7
    assert job["function"] is caption_images and job["options"]["model"] == "mistralai/Pixtral-12B-2409"
    jobs = caption_jobs(seven, questions(["scene", "motion", "scene"], max_tokens=5), tmp_path, model="org/Some-Model")
    assert [job["output"].name for job in jobs] == ["seven-scene-Some-Model.csv", "seven-motion-Some-Model.csv"]
    assert [job["options"]["max_tokens"] for job in jobs] == [5, 5]
    own, = questions(ask="food?", labels=["yes", "no"], name="food")
    assert (own.name, own.text, own.labels) == ("food", "food?", ("yes", "no"))


def test_what_does_not_make_a_question_is_refused(seven, tmp_path):
    with pytest.raises(ValueError, match=r"labels \['a'\]: they are the legal answers to a question of your own; give it with"):
        questions(labels=["a"])
    with pytest.raises(ValueError, match="--ask and --prompts exclude each other"):
        questions(["motion"], ask="what?")
    with pytest.raises(ValueError, match="--ask-name: 'content' is the name of another table"):
        questions(ask="what?", name="content")
    with pytest.raises(ValueError, match="inject: expected fail=N,N or illegal=N,N with image numbers, found 'fail=x'"):
        injected(["fail=x"])
    with pytest.raises(ValueError, match="inject: only the dummy backend fails on demand, not 'vllm'"):
        caption_jobs(seven, questions(), tmp_path, backend="vllm", inject=injected(["fail=9"]))
    seven.path(9).unlink()
    with pytest.raises(FileNotFoundError, match="the pictures of seven come from .*9.png, not there"):
        caption_jobs(seven, questions(), tmp_path)
