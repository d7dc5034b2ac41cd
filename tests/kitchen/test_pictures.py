"""Pictures and texts for pretraining: reproducible, and apart from everything the videos show and say."""

import numpy as np
import pytest

from pipeline.kitchen.grammar import ACTIONS, INGREDIENTS, VESSELS, draw_recipes, narrate, step_sentences, summarise
from pipeline.kitchen.pictures import Pictures, pictures, pretraining_scenes, texts

SEED = 5


@pytest.fixture(scope="module")
def drawn() -> Pictures:
    return pictures(260, seed=SEED, size=64, workers=1)


def test_shapes_and_labels(drawn: Pictures) -> None:
    assert drawn.images.shape == (260, 64, 64, 3)
    assert drawn.images.dtype == np.uint8
    assert drawn.labels.dtype == np.int64
    assert drawn.classes == list(INGREDIENTS)
    assert set(drawn.labels) == set(range(len(INGREDIENTS)))
    assert len(drawn.captions) == 260
    for caption, label in zip(drawn.captions, drawn.labels, strict=True):
        assert drawn.classes[label] in caption


def test_pictures_depend_on_the_seed_and_not_on_the_number_of_processes(drawn: Pictures) -> None:
    again = pictures(260, seed=SEED, size=64, workers=2)
    assert np.array_equal(drawn.images, again.images)
    assert drawn.captions == again.captions
    other = pictures(20, seed=SEED + 1, size=64, workers=1)
    assert not np.array_equal(drawn.images[:20], other.images)


def test_pictures_of_one_ingredient_differ(drawn: Pictures) -> None:
    tomatoes = drawn.images[drawn.labels == INGREDIENTS.index("tomato")]
    assert len({image.tobytes() for image in tomatoes}) == len(tomatoes)


def test_no_scene_of_the_videos_is_drawn() -> None:
    scenes = set(pretraining_scenes())
    shown = {
        (step.ingredient, step.action, step.vessel, recipe.style)
        for split in ("train", "validation", "test")
        for recipe in draw_recipes(300, seed=SEED, bucket=split)
        for step in recipe.steps
    }
    assert not scenes & shown
    vessels = {name for names in VESSELS.values() for name in names}
    assert {scene[0] for scene in scenes} == {scene[0] for scene in shown} == set(INGREDIENTS)
    assert {scene[1] for scene in scenes} == {scene[1] for scene in shown} == set(ACTIONS)
    assert {scene[2] for scene in scenes} == {scene[2] for scene in shown} == vessels


def test_no_caption_or_text_is_one_of_the_videos(drawn: Pictures) -> None:
    said = set()
    for split in ("train", "validation", "test"):
        for recipe in draw_recipes(300, seed=SEED, bucket=split):
            said.update(step_sentences(recipe))
            said.add(". ".join(step_sentences(recipe)) + ".")
            said.add(summarise(recipe))
            for share in (0.0, 0.25, 0.5, 0.75, 1.0):
                sentences = narrate(recipe, seed=SEED, deictic_share=share)
                said.update({" ".join(sentences), *sentences})
    assert not said & set(drawn.captions)
    assert not said & set(texts(300, seed=SEED))


def test_three_texts_a_recipe() -> None:
    made = texts(40, seed=SEED)
    assert len(made) == 120
    assert made == texts(40, seed=SEED)
    narrations = made[::3]
    assert any(not any(name in text for name in INGREDIENTS) for text in narrations)
    assert any(any(name in text for name in INGREDIENTS) for text in narrations)
