"""A small trigram language model from a list of sentences, in the ARPA format.

A recogniser that expects what callers of an assistant say makes far fewer errors on it than one
that expects newspaper English.

Source: absolute discounting with interpolation, as in Chen and Goodman, "An Empirical Study of
Smoothing Techniques for Language Modeling" (1998), section 2.5.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

# What each seen n-gram gives away to the unseen ones.
DISCOUNT = 0.5

_START, _END = "<s>", "</s>"
_ZERO = -99.0

Gram = tuple[str, ...]


class TrigramModel:
    """Counts of word sequences up to three words, and their smoothed probabilities."""

    def __init__(self, sentences: Iterable[str]) -> None:
        """Count the n-grams of sentences.

        Args:
            sentences: Lower-case words separated by spaces, without punctuation.

        Raises:
            ValueError: If there is no sentence.
        """
        self.counts: tuple[Counter[Gram], ...] = (Counter(), Counter(), Counter())
        for sentence in sentences:
            words = [_START, *sentence.split(), _END]
            for order, counter in enumerate(self.counts, start=1):
                counter.update(tuple(words[i : i + order]) for i in range(len(words) - order + 1))
        if not self.counts[0]:
            raise ValueError("a language model needs at least one sentence")
        self._followers: dict[Gram, list[str]] = defaultdict(list)
        self._totals: Counter[Gram] = Counter()
        for counter in self.counts[1:]:
            for gram, count in counter.items():
                self._followers[gram[:-1]].append(gram[-1])
                self._totals[gram[:-1]] += count
        self._words = sum(count for (word,), count in self.counts[0].items() if word != _START)

    def probability(self, gram: Gram) -> float:
        """Return the probability of the last word after the others."""
        if len(gram) == 1:
            return self.counts[0][gram] / self._words
        history = gram[:-1]
        total = self._totals[history]
        if not total:
            return self.probability(gram[1:])
        seen = max(self.counts[len(gram) - 1][gram] - DISCOUNT, 0.0) / total
        left_over = DISCOUNT * len(self._followers[history]) / total
        return seen + left_over * self.probability(gram[1:])

    def backoff(self, history: Gram) -> float:
        """Return the weight of shorter histories after this one, for words not seen after it."""
        followers = self._followers.get(history, [])
        unseen = 1.0 - sum(self.probability((*history, word)) for word in followers)
        shorter = 1.0 - sum(self.probability((*history[1:], word)) for word in followers)
        return unseen / shorter if shorter > 1e-9 and unseen > 1e-12 else 0.0

    def arpa(self) -> str:
        """Write the model in the ARPA format, which PocketSphinx reads."""
        lines = ["\\data\\"]
        lines += [f"ngram {order}={len(grams)}" for order, grams in enumerate(self.counts, start=1)]
        for order, grams in enumerate(self.counts, start=1):
            lines += ["", f"\\{order}-grams:"]
            lines += [self._line(gram, last=order == len(self.counts)) for gram in grams]
        return "\n".join([*lines, "", "\\end\\", ""])

    def _line(self, gram: Gram, *, last: bool) -> str:
        start = gram == (_START,)
        line = f"{_ZERO if start else _log10(self.probability(gram)):.4f} {' '.join(gram)}"
        return line if last else f"{line} {_log10(self.backoff(gram)):.4f}"


def _log10(value: float) -> float:
    return math.log10(value) if value > 0 else _ZERO
