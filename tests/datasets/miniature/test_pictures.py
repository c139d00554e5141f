"""Pictures show what their latents say, to the person, and captions say the same; `low` decides colours and nothing else."""

import numpy as np
import pytest

from convergence.datasets.miniature import pictures
from convergence.datasets.miniature.animals import draw_animal
from convergence.datasets.miniature.canvas import Canvas, Frame
from convergence.datasets.miniature.coco_names import categories
from convergence.datasets.miniature.latents import (PROPS, SPECIES, caption_words, cast_of, count_words, draw_latents, people_of,
                                                    scene_words, setting_of, shows_somebody, social_words)
from convergence.datasets.miniature.persons import draw_person
from convergence.datasets.miniature.pictures import Figure, arrange, draw_picture, tone
from convergence.datasets.miniature.props import draw_prop
from convergence.datasets.miniature.scenery import draw_scenery

POSES = ("resting", "standing", "leaping")
ZEROS = {name: np.zeros(6) for name in ("low", "scene", "social")}


def latents_of(n, seed):
    drawn = draw_latents(n, np.random.default_rng(seed))
    return [{name: values[image] for name, values in drawn.items()} for image in range(n)]


def moved(name, axis, value):
    """Latents that are zero but for one axis of one of them."""
    vector = np.zeros(6)
    vector[axis] = value
    return {**ZEROS, name: vector}


def explained(x, y):
    """Variance of y that a linear function of x explains in images that it was not fitted to."""
    x, half = np.column_stack([x, np.ones(len(x))]), len(x) // 2
    weights = np.linalg.lstsq(x[:half], y[:half], rcond=None)[0]
    return 1 - np.var(y[half:] - x[half:] @ weights) / np.var(y[half:])


def test_latents_are_independent_and_standard_normal():
    latents = draw_latents(4000, np.random.default_rng(5))
    together = np.hstack([latents["low"], latents["scene"], latents["social"]])
    assert together.shape == (4000, 18)
    np.testing.assert_allclose(np.cov(together.T), np.eye(18), atol=0.12)
    np.testing.assert_allclose(together.mean(axis=0), 0, atol=0.08)


def test_same_generator_same_bytes():
    latents = latents_of(3, seed=8)[2]
    first, second, other = (draw_picture(latents, np.random.default_rng(seed)) for seed in (21, 21, 22))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_only_the_given_generator_is_used():
    latents = latents_of(1, seed=8)[0]
    drawn = []
    for seed in (1, 2):
        np.random.seed(seed)
        state = np.random.get_state()[1].copy()
        drawn.append(draw_picture(latents, np.random.default_rng(0)))
        assert np.array_equal(np.random.get_state()[1], state)
    assert drawn[0].tobytes() == drawn[1].tobytes()


def test_other_sizes_show_the_same_picture():
    latents = latents_of(1, seed=3)[0]
    large, small = (draw_picture(latents, np.random.default_rng(4), size=size).astype(float) for size in (96, 48))
    assert large.shape == (96, 96, 3)
    shrunk = large.reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
    assert np.corrcoef(shrunk.ravel(), small.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("number, animality, expected", [
    (-2.5, 3, (0, 0)), (-0.45, -3, (0, 0)), (-0.42, -3, (1, 0)), (-0.3, 1, (0, 1)), (0, 0, (1, 1)),
    (1, -2, (4, 0)), (0.9, -0.8, (3, 1)), (3, 0.8, (1, 5)), (9, -9, (6, 0))])
def test_people_of(number, animality, expected):
    assert people_of(np.array([number, animality, 0, 0, 0, 0])) == expected


def test_as_many_are_drawn_as_annotations_say():
    seen = set()
    for image, latents in enumerate(latents_of(300, seed=11)):
        cast, figures = cast_of(latents["social"]), arrange(latents["social"], np.random.default_rng(image))
        kinds = [figure.kind for figure in figures]
        assert (kinds.count("person"), kinds.count(cast.species)) == people_of(latents["social"])
        assert sum(kind in SPECIES for kind in kinds) == cast.n_animals
        assert [kind for kind in kinds if kind in PROPS] == [cast.prop] * (cast.prop != "")
        assert ("bench" in kinds) == (cast.pose == "resting") and ("hurdle" in kinds) == (cast.pose == "leaping")
        seen |= set(kinds)
    assert seen == {"person", "bench", "blanket", "hurdle", *SPECIES, *PROPS} - {""}


def test_a_third_of_the_pictures_shows_nobody_but_a_thing():
    social = draw_latents(3000, np.random.default_rng(13))["social"]
    somebody = shows_somebody(social)
    assert 0.3 < 1 - somebody.mean() < 0.36 and np.array_equal(somebody, [sum(people_of(one)) > 0 for one in social])
    alone = [cast_of(one) for one in social[~somebody]]
    assert {cast.prop for cast in alone} == {"car", "bicycle", "umbrella"} < {category["name"] for category in categories()}
    kinds = {figure.kind for one in social[~somebody][:50] for figure in arrange(one, np.random.default_rng(0))}
    assert kinds == {"car", "bicycle", "umbrella", "bench", "blanket", "hurdle"}


def test_persons_stand_before_animals_and_inside_the_picture():
    for image, latents in enumerate(latents_of(200, seed=12)):
        figures = arrange(latents["social"], np.random.default_rng(image))
        crowd = [figure for figure in figures if figure.kind in ("person", *SPECIES)]
        persons = [figure for figure in crowd if figure.kind == "person"]
        assert crowd == sorted(crowd, key=lambda figure: figure.foot)           # nearer ones are drawn later
        assert not persons or persons[-1] == crowd[-1] or crowd[-1].foot - persons[-1].foot < 0.011
        assert all(0.05 < figure.x < 0.95 and figure.box[3] > 0.15 for figure in crowd)


def test_picture_holds_the_figures_of_arrange():
    """Where the one person is, and only there, the picture differs from its scenery."""
    latents, generator, background = {**ZEROS, "social": np.array([-0.3, -1, 0, 0, 0, 0])}, np.random.default_rng(2), Canvas(64)
    person, = arrange(latents["social"], generator)
    draw_scenery(background, setting_of(latents["scene"]), generator)
    picture, scenery = draw_picture(latents, np.random.default_rng(2)) / 255, tone(background.pixels(), latents["low"])
    change = np.abs((picture - picture.mean()) - (scenery - scenery.mean())).max(axis=2) > 0.15
    left, top, width, height = person.box
    rows, columns = np.nonzero(change)
    assert change.sum() > 100
    assert left - 0.05 <= columns.min() / 64 and columns.max() / 64 <= left + width + 0.05
    assert top - 0.12 <= rows.min() / 64 and rows.max() / 64 <= top + height + 0.05


@pytest.mark.parametrize("facing", [1, -1])
@pytest.mark.parametrize("kind", ["person", *SPECIES, "car", "bicycle", "umbrella", "balloons", "bench", "blanket", "hurdle"])
def test_figures_fill_their_boxes(kind, facing):
    figure = Figure(kind, 0.5, 0.8, 0.3, facing)
    canvas, generator = Canvas(128), np.random.default_rng(1)
    frame = Frame(canvas, figure.x, figure.foot, figure.height, facing)
    if kind == "person":
        draw_person(frame, "standing", 0.9, generator)
    elif kind in SPECIES:
        draw_animal(frame, kind, "standing", generator)
    else:
        draw_prop(frame, kind, generator)
    rows, columns = (np.flatnonzero(canvas.pixels().max(axis=(2, axis)) > 0.08) / 128 for axis in (1, 0))
    left, top, width, height = figure.box
    assert abs(rows.min() - top) < 0.2 * height and abs(rows.max() - (top + height)) < 0.1 * height
    assert abs(columns.min() - left) < 0.3 * width and abs(columns.max() - (left + width)) < 0.3 * width


def silhouette(draw, facing=1):
    canvas = Canvas(64)
    draw(Frame(canvas, 0.5, 0.8, 0.4, facing), np.random.default_rng(1))
    return canvas.pixels().max(axis=2) > 0.25


@pytest.mark.parametrize("species", SPECIES)
def test_animals_face_both_ways_and_take_three_poses(species):
    def seen(pose, facing=1):
        return silhouette(lambda frame, rng: draw_animal(frame, species, pose, rng), facing)

    poses, turned = {pose: seen(pose) for pose in POSES}, seen("standing", facing=-1)
    assert np.mean(poses["standing"] != turned[:, ::-1]) < 0.01 < np.mean(poses["standing"] != turned)
    heights = {pose: np.flatnonzero(mask.any(axis=1)).min() for pose, mask in poses.items()}
    assert heights["resting"] > heights["standing"] > heights["leaping"]


def test_persons_sit_stand_and_leap_in_dark_or_light_clothes():
    masks = {pose: silhouette(lambda frame, rng: draw_person(frame, pose, 0.5, rng)) for pose in POSES}
    top, width = ({pose: np.flatnonzero(mask.any(axis=axis)) for pose, mask in masks.items()} for axis in (1, 0))
    assert top["resting"].min() > top["standing"].min() > top["leaping"].min()
    assert np.ptp(width["leaping"]) > np.ptp(width["standing"]) + 5
    canvases = [Canvas(64), Canvas(64)]
    for canvas, lightness in zip(canvases, (0.1, 0.9)):
        draw_person(Frame(canvas, 0.5, 0.8, 0.4), "standing", lightness, np.random.default_rng(1))
    dark, light = (canvas.pixels().mean() for canvas in canvases)
    assert light > 1.4 * dark


def test_pose_and_clothes_of_the_latent_are_drawn(monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "draw_person", lambda frame, pose, lightness, rng: drawn.append((pose, lightness)))
    monkeypatch.setattr(pictures, "draw_animal", lambda frame, species, pose, rng: drawn.append((species, pose)))
    draw_picture({**ZEROS, "social": np.array([0, 0, 0, 2, -1, 0.0])}, np.random.default_rng(0))
    draw_picture({**ZEROS, "social": np.array([0, 0, 0, -2, 1, 0.0])}, np.random.default_rng(0))
    assert drawn == [("bird", "resting"), ("resting", pytest.approx(0.95, abs=0.01)),
                     ("elephant", "leaping"), ("leaping", pytest.approx(0.05, abs=0.01))]


def test_nearness_and_possession_decide_sizes():
    def heights(nearness, possession):
        figures = arrange(np.array([-0.3, -2, nearness, 0, 0, possession]), np.random.default_rng(0))
        return {figure.kind: figure.height for figure in figures}

    far, near = heights(-1.5, 2), heights(1.5, 1.1)
    assert near["person"] > 2 * far["person"]
    assert far["balloons"] > 1.2 * near["balloons"]
    assert heights(0, -2)["car"] > 1.2 * heights(0, -1.1)["car"]


def test_box_is_cut_at_the_edges():
    left, top, width, height = Figure("person", 0.98, 1.1, 1.2, 1).box
    np.testing.assert_allclose((left, top, width, height), (0.62, 0, 0.38, 1.0))


@pytest.mark.parametrize("name", ["low", "scene", "social"])
@pytest.mark.parametrize("axis", range(6))
def test_every_axis_is_seen(name, axis):
    ends = [draw_picture(moved(name, axis, value), np.random.default_rng(6)).astype(float) for value in (-1.3, 1.3)]
    assert np.abs(ends[0] - ends[1]).mean() > 15


def test_tone_of_every_axis():
    pixels = np.random.default_rng(0).uniform(0.1, 0.6, (16, 16, 3))
    np.testing.assert_allclose(tone(pixels, np.zeros(6)), pixels - pixels.mean() + 0.5)
    dark, light = pixels.copy(), pixels.copy()
    dark[8:], light[8:] = 0.1, 0.9

    def means(axis, value, of=pixels, rows=slice(None)):
        return tone(of, np.eye(6)[axis] * value)[rows].mean(axis=(0, 1))

    warm, cold, green, magenta = means(0, 1), means(0, -1), means(1, 1), means(1, -1)
    assert warm[0] - warm[2] > 0.1 > -0.1 > cold[0] - cold[2]
    assert 2 * green[1] - green[0] - green[2] > 0.1 > -0.1 > 2 * magenta[1] - magenta[0] - magenta[2]
    assert means(2, 1).mean() - means(2, -1).mean() > 0.2
    assert tone(pixels, np.eye(6)[3]).std() > pixels.std() > tone(pixels, -np.eye(6)[3]).std()
    for axis, channel in ((4, 0), (5, 1)):
        lower = slice(8, None)
        shadows, lights = (abs(means(axis, 1, of, lower)[channel] - means(axis, -1, of, lower)[channel]) for of in (dark, light))
        assert shadows > 0.15 and lights < 0.5 * shadows


def test_tone_keeps_the_range_and_the_input():
    pixels = np.random.default_rng(0).uniform(0, 1, (9, 9, 3))
    before = pixels.copy()
    for sign in (-1, 1):
        toned = tone(pixels, np.full(6, sign * 40.0))
        assert 0 <= toned.min() and toned.max() <= 1
        np.testing.assert_array_equal(toned, tone(pixels, np.full(6, sign * 2.5)))
    np.testing.assert_array_equal(pixels, before)


def test_low_decides_colour_and_the_others_do_not():
    images = latents_of(160, seed=30)
    drawn = [draw_picture(latents, np.random.default_rng(image)) for image, latents in enumerate(images)]
    red, green, blue = np.mean(drawn, axis=(1, 2)).T
    for color in (red + green + blue, red - blue, 2 * green - red - blue):
        assert explained([latents["low"] for latents in images], color) > 0.7
        assert explained([latents["scene"] for latents in images], color) < 0.15
        assert explained([latents["social"] for latents in images], color) < 0.15


def test_figures_keep_their_outlines_under_low():
    """Edges are where they were, whatever the colours: what one would recognise stays."""
    images, others = latents_of(20, seed=31), latents_of(20, seed=32)

    def edges(latents):
        grey = draw_picture(latents, np.random.default_rng(1)).astype(float).mean(axis=2)
        return np.hypot(*np.gradient(grey)).ravel()

    kept = [np.corrcoef(edges(a), edges({**a, "low": b["low"]}))[0, 1] for a, b in zip(images, others)]
    lost = [np.corrcoef(edges(a), edges({**b, "low": a["low"]}))[0, 1] for a, b in zip(images, others)]
    assert np.mean(kept) > 0.9 and np.mean(lost) < 0.25


def test_scenery_by_setting():
    def sky_and_ground(scene):
        canvas = Canvas(64)
        draw_scenery(canvas, setting_of(scene), np.random.default_rng(0))
        return canvas.pixels()[4].mean(axis=0), canvas.pixels()[-3].mean(axis=0)

    night, clear = (sky_and_ground(moved("scene", 4, value)["scene"])[0] for value in (-2, 2))
    assert night.mean() < 0.3 < 0.5 < clear.mean() and clear[2] > clear[0] + 0.2
    fields = [sky_and_ground(np.array([0, 0, 0, 0.3, sky, -1]))[1] for sky in (-2, 2)]
    np.testing.assert_allclose(fields[0], 0.5 * fields[1], atol=0.02)
    sand, grass = (sky_and_ground(moved("scene", 3, value)["scene"])[1] for value in (-0.3, 0.3))
    assert sand[0] > sand[1] > sand[2] and grass[1] > grass[0] > grass[2]


def test_room_has_a_window_and_books():
    rooms = []
    for sky, density in ((-2, -2), (-2, 2), (2, 2)):
        canvas = Canvas(64)
        draw_scenery(canvas, setting_of(np.array([0, 0, density, 0, sky, 2.0])), np.random.default_rng(0))
        rooms.append(canvas.pixels())
    books, window = (np.abs(rooms[k] - rooms[k + 1]).max(axis=2).sum(axis=0) for k in (0, 1))
    assert books[40:].sum() > 30 > 1 > books[:24].sum()
    assert window[:40].sum() > 100 > 1 > window[40:].sum()


def test_words_of_scenes():
    assert scene_words(np.array([-2, 0, 0, -0.3, -2, -2.0])) == "on the sand in front of mountains at night"
    assert scene_words(np.array([0.5, 0, 0, 2, -0.2, 0.0])) == (
        "on a road in front of a row of houses with a white fence under a cloudy sky")
    assert scene_words(np.array([2, 0, 0, -2, 2, 0.6])) == "by the water in front of tall buildings with a brick wall"
    assert scene_words(np.array([2, 0, 0, -2, 2, 1.0])) == "in a room with a window and a bookshelf"


def test_words_of_people():
    assert social_words(np.array([0.6, -0.5, 0, 0.5, 0, 0.0])) == "two people and a dog"
    assert social_words(np.array([0.6, -0.5, 0, 0.5, -2, -2.0])) == "two people and a dog on a bench beside a car"
    assert social_words(np.array([0.6, 3, 0, -0.2, -2, 0.5])) == "three horses lying on a blanket beside a big umbrella"
    assert social_words(np.array([-0.3, 1, 0, -2, 2, 2.0])) == "an elephant jumping over a hurdle beside some balloons"
    assert social_words(np.array([0.3, 2, 0, 0.1, 0, 0.0])) == "two sheep"
    assert [social_words(np.array([-3, 0, 0, 0, energy, own])) for energy, own in ((0, 0), (-1, 0.1), (1, -0.5), (0, -2))] == [
        "a bicycle", "an empty bench and a bicycle", "a hurdle and a bicycle", "a car"]
    assert social_words(np.array([-3, 0, 0, 0, 0, 2.0])) == "a big umbrella"


def test_captions_say_what_is_drawn():
    for latents in latents_of(100, seed=40):
        cast, caption = cast_of(latents["social"]), caption_words(latents)
        assert caption == f"{social_words(latents['social'])}, {scene_words(latents['scene'])}"
        assert ("people" in caption or "person" in caption) == (cast.n_persons > 0)
        assert (cast.species in caption) == (cast.n_animals > 0)
        assert not cast.n_animals or caption.count(count_words(cast.n_animals, cast.species)) == 1
        assert caption.isascii() and "\n" not in caption and ";" not in caption
