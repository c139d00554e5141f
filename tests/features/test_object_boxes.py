"""Object boxes: the area rule, clipping, what a random DETR finds against its raw outputs, failures and resuming."""

import numpy as np
import pandas
import pytest
import torch
from fake_dataset import IDS, write_seven_pictures
from PIL import Image
from tiny_detector import LABELS, save_detector

from convergence.features.attempts import attempt, sentence
from convergence.features.checkpoint import Checkpoint
from convergence.features.detection import Detector, look
from convergence.features.object_boxes import box_jobs, boxes_table, element_dominated, images_table
from convergence.features.pictures import BatchSize
from convergence.storage.tables import conform


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save_detector(tmp_path_factory.mktemp("detector")))


def test_an_object_dominates_when_it_is_large_and_has_little_company():
    boxes = pandas.DataFrame([(9, 0.61), (9, 0.2), (4, 0.6), (2, 0.9), (2, 0.1), (2, 0.01), (31, 0.59), (5, 1.2)],
                             columns=["seven_id", "percent_area"])
    found = element_dominated(boxes, [2, 31, 9, 100, 4, 5], image_key="seven_id")
    assert found.to_dict() == {2: False, 31: False, 9: True, 100: False, 4: False, 5: True} and found.index.name == "seven_id"
    assert element_dominated(boxes, [2, 4], image_key="seven_id", area=0.5, fewer_than=4).tolist() == [True, True]
    assert element_dominated(boxes[:0], [3, 1], image_key="seven_id").tolist() == [False, False]


def test_the_rule_refuses_other_tables():
    with pytest.raises(ValueError, match=r"boxes: the columns \['percent_area'\] are missing, found \['nsd_id', 'area'\]"):
        element_dominated(pandas.DataFrame({"nsd_id": [1], "area": [0.5]}), [1])
    boxes = pandas.DataFrame({"nsd_id": [8, 3, 3], "percent_area": [0.1, np.nan, -1]})
    with pytest.raises(ValueError, match="percent_area must be a number from 0; it is not in 2 rows, such as nsd_id 3"):
        element_dominated(boxes, [8])


def test_boxes_are_cut_at_the_edges_unless_published_values_are_wanted():
    records = [{"image": 7, "status": "ok", "reason": "", "width": 200, "height": 100,
                "boxes": [[2, "dog", 0.9, -50.0, 10.0, 150.0, 60.0], [1, "person", 0.85, -20.0, -10.0, 240.0, 110.0]]},
               {"image": 3, "status": "failed", "reason": "x"},
               {"image": 5, "status": "ok", "reason": "", "width": 8, "height": 9, "boxes": []}]
    cut, published = (boxes_table(records, clip=clip) for clip in (True, False))
    assert cut["percent_area"].tolist() == [150 * 50 / 20000, 1.0]
    assert published["percent_area"].tolist() == [200 * 50 / 20000, 260 * 120 / 20000]
    table = conform(cut, "object_boxes")
    assert table["box"].map(list).tolist() == [[0, 10, 150, 60], [0, 0, 200, 100]] == table[
        ["box_x0", "box_y0", "box_x1", "box_y1"]].values.tolist()
    others = ["nsd_id", "object_index", "label_id", "label", "image_width", "image_height", "box_width", "box_height"]
    assert table[others].values.tolist() == [[7, 0, 2, "dog", 200, 100, 150, 50], [7, 1, 1, "person", 200, 100, 200, 100]]
    images = conform(images_table(records, cut), "object_boxes_images")
    assert images.values.tolist() == [[7, 2, 1.0, True, "ok", ""], [3, 0, 0.0, False, "failed", "x"],
                                      [5, 0, 0.0, False, "ok", ""]]


def test_no_box_at_all_is_a_table_too():
    table = conform(boxes_table([{"image": 5, "status": "ok", "width": 8, "height": 9, "boxes": []}]), "object_boxes")
    assert len(table) == 0 and "percent_area" in table


def test_boxes_are_those_of_the_networks_raw_output(folder):
    import transformers
    pictures = [Image.fromarray(np.random.default_rng(k).integers(0, 255, (44, 60, 3), np.uint8)) for k in range(3)]
    network = transformers.DetrForObjectDetection.from_pretrained(folder).eval()
    inputs = transformers.DetrImageProcessor.from_pretrained(folder)(images=pictures, return_tensors="pt")
    with torch.inference_mode():
        raw = network(**inputs)
    confidence, label = raw.logits.softmax(-1)[..., :-1].max(-1)            # the last class is "nothing"
    threshold = float(confidence.median())
    n_found = 0
    for k, boxes in enumerate(Detector(folder, threshold=threshold, device="cpu")(pictures)):
        kept = [q for q in range(6) if confidence[k, q] > threshold]
        assert [box[0] for box in boxes] == [int(label[k, q]) for q in kept] and [box[1] for box in boxes] == [
            LABELS.get(box[0], str(box[0])) for box in boxes]
        for q, (*_, score, x0, y0, x1, y1) in zip(kept, boxes):
            cx, cy, width, height = raw.pred_boxes[k, q].tolist()
            expected = [float(confidence[k, q]), 60 * (cx - width / 2), 60 * (cx + width / 2), 44 * (cy - height / 2),
                        44 * (cy + height / 2)]
            np.testing.assert_allclose([score, x0, x1, y0, y1], expected, rtol=1e-4, atol=1e-3)
        n_found += len(boxes)
    assert n_found == (confidence > threshold).sum() > 3


def test_a_label_without_a_name_goes_by_its_number(tmp_path):
    save_detector(tmp_path, labels={7: "kite", 1: "person", 5: "dog", 4: "cat"})
    detector = Detector(str(tmp_path), threshold=0, device="cpu")
    named = {box[:2] for boxes in detector([Image.new("RGB", (40, 30))]) for box in boxes}
    assert named and named <= {(0, "0"), (1, "person"), (2, "2"), (3, "3")} and named != {(1, "person")}


def test_the_batch_does_not_change_boxes(folder, tmp_path):
    dataset = write_seven_pictures(tmp_path / "seven")                      # of different sizes
    detector, found = Detector(folder, threshold=0.2, device="cpu"), {}
    for batch_size in (1, 7):
        checkpoint = Checkpoint(tmp_path / f"{batch_size}.jsonl", {})
        look(dataset, detector, checkpoint, batch_size=batch_size)
        found[batch_size] = checkpoint.records
    assert list(found[1]) == list(found[7]) == IDS
    for image in IDS:
        one, many = (found[size][image] for size in (1, 7))
        assert (one["width"], one["height"]) == dataset.image(image).size and len(one["boxes"]) == len(many["boxes"])
        np.testing.assert_allclose([box[2:] for box in one["boxes"]], [box[2:] for box in many["boxes"]], rtol=1e-4, atol=1e-3)
    assert sum(len(record["boxes"]) for record in found[1].values()) > 7


def test_only_failed_pictures_are_looked_at_again(tmp_path):
    dataset, seen = write_seven_pictures(tmp_path / "seven"), []

    def detector(pictures):
        seen.append([picture.size[0] for picture in pictures])
        if not broken:
            return [[] for _ in pictures]
        if any(picture.size[0] == 50 for picture in pictures):              # picture 31
            raise RuntimeError("no kernel")
        return [[] for _ in pictures]

    broken, checkpoint = True, Checkpoint(tmp_path / "c.jsonl", {})
    look(dataset, detector, checkpoint, batch_size=4)
    assert [image for image, record in checkpoint.records.items() if record["status"] != "ok"] == [31]
    assert checkpoint.records[31]["reason"] == "RuntimeError: no kernel"
    broken, seen[:] = False, []
    look(dataset, detector, Checkpoint(tmp_path / "c.jsonl", {}), batch_size=4)
    assert seen == [[50]]


def test_attempts_find_the_item_at_fault():
    calls = []

    def call(items):
        calls.append(list(items))
        if 5 in items:
            raise OSError("five")
        return [item * 10 for item in items]

    found = attempt(call, [1, 2, 5, 8, 9], BatchSize(5))
    assert [result if isinstance(result, int) else str(result) for result in found] == [10, 20, "five", 80, 90]
    assert calls == [[1, 2, 5, 8, 9], [1, 2, 5], [1, 2], [5], [8, 9]]
    assert sentence(found[2]) == "five" and sentence(RuntimeError("a\n b")) == "RuntimeError: a b"
    assert attempt(call, [], BatchSize(5)) == []


def test_what_cannot_be_done_is_explained(tmp_path):
    dataset = write_seven_pictures(tmp_path / "seven")
    with pytest.raises(ValueError, match="threshold: 80 is not a confidence; expected a number from 0 to 1"):
        box_jobs(dataset, tmp_path, threshold=80)
    with pytest.raises(ValueError, match="unknown model 'no/such', or no connection .* give a folder that holds it with --model"):
        Detector("no/such", device="cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty' cannot be loaded: .*; expected a folder that save_pretrained of a model"):
        Detector(str(tmp_path / "empty"), device="cpu")
    from safetensors.torch import load_file, save_file
    half = save_detector(tmp_path / "half")
    weights = {name: weight for name, weight in load_file(half / "model.safetensors").items() if "bbox_predictor" not in name}
    save_file(weights, half / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"its weights lack 6 tensors, which would be random: bbox_predictor"):
        Detector(str(half), device="cpu")
