import math
from pathlib import Path

import pytest
from pocketsphinx import get_model_path

from agents import discover
from app.embedded.language_model import TrigramModel

SENTENCES = ("how much are the boots", "how much is the paint", "goodbye", "how fast are the boots")


@pytest.fixture
def model() -> TrigramModel:
    return TrigramModel(SENTENCES)


def vocabulary(model: TrigramModel) -> list[str]:
    return [word for (word,) in model.counts[0] if word != "<s>"]


def test_probabilities_after_every_history_sum_to_one(model: TrigramModel) -> None:
    for history in [(), ("how",), ("the",), ("how", "much"), ("are", "the"), ("boots", "how")]:
        total = sum(model.probability((*history, word)) for word in vocabulary(model))
        assert math.isclose(total, 1.0, abs_tol=1e-9), history


def test_what_was_said_is_likelier_than_what_was_not(model: TrigramModel) -> None:
    assert model.probability(("how", "much")) > model.probability(("how", "paint"))
    assert model.probability(("are", "the", "boots")) > model.probability(("are", "the", "paint"))


def test_backing_off_gives_the_probability_of_unseen_words(model: TrigramModel) -> None:
    direct = model.probability(("are", "the", "paint"))
    backed_off = model.backoff(("are", "the")) * model.probability(("the", "paint"))
    assert math.isclose(direct, backed_off, rel_tol=1e-9)


def test_the_arpa_file_counts_what_it_lists(model: TrigramModel) -> None:
    text = model.arpa()
    assert text.startswith("\\data\\\nngram 1=")
    assert text.endswith("\\end\\\n")
    for order, grams in enumerate(model.counts, start=1):
        section = text.split(f"\\{order}-grams:\n")[1].split("\n\n")[0]
        assert len(section.splitlines()) == len(grams)
        assert f"ngram {order}={len(grams)}" in text


def test_no_sentences_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one sentence"):
        TrigramModel([])


@pytest.mark.parametrize("name", discover())
def test_every_word_that_callers_say_is_one_that_the_recogniser_knows(name: str) -> None:
    dictionary = Path(get_model_path("en-us/cmudict-en-us.dict")).read_text()
    known = {line.partition(" ")[0] for line in dictionary.splitlines()}
    words = {word for phrase in discover()[name].phrases for word in phrase.split()}
    assert words - known == set()
