"""A recorded question as the flow would see it, everything read and compared once."""

from __future__ import annotations

import itertools

from a2r import answers
from a2r._internal.reasoning_parser import split_reasoning
from a2r.answers import Kind, Settings
from a2r.answers.parsing.multiple_choice import choice_letter, letter_of_content, options
from a2r.evaluation.replay.recording_schema import RecordedSample, Recording
from a2r.inference.types import STATUS_BY_FINISH_REASON
from a2r.result import Cluster, Sample
from a2r.usage import estimate_tokens
from a2r.workflow.voting import cluster_answers


class RecordedQuestion:
    """The samples of a question, read by a config's settings, for any number of rules.

    Attributes:
        count: the samples there are.
        tokens_estimated: whether the tokens of one of them are an estimate.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        settings: Settings,
        kind: Kind = "auto",
        first: int | None = None,
    ) -> None:
        """Take up the `first` samples; a kind of `auto` is inferred as the flow does."""
        samples = recording.samples[:first]
        self.count = len(samples)
        self.tokens_estimated = any(sample.tokens is None for sample in samples)
        self._problem = recording.problem
        self._gold = recording.gold
        self._kind = kind
        self._settings = settings
        self._recorded = samples
        self._unread = [_unread(index, sample) for index, sample in enumerate(samples)]
        self._tokens = [0, *itertools.accumulate(map(_tokens, samples))]
        self._samples: dict[Kind, list[Sample]] = {}
        self._clusters: dict[tuple[Kind, int], list[Cluster]] = {}
        self._grades: dict[tuple[Kind, str], bool] = {}

    def kind(self, wave: int) -> Kind:
        """The kind of the answers, where it is inferred with the texts of a first wave so big."""
        if self._kind != "auto":
            return self._kind
        texts = [sample.text for sample in self._unread[:wave] if sample.text]
        return answers.infer_kind(self._problem, texts)

    def tokens(self, count: int) -> int:
        """The tokens of the first samples."""
        return self._tokens[count]

    def samples(self, kind: Kind, count: int) -> list[Sample]:
        """The first samples, read for answers of a kind."""
        if kind not in self._samples:
            pairs = zip(self._unread, self._recorded, strict=True)
            self._samples[kind] = [self._extract(*pair, kind) for pair in pairs]
        return self._samples[kind][:count]

    async def clusters(self, kind: Kind, count: int) -> list[Cluster]:
        """The clusters of the first samples alone: what joins may depend on the set."""
        place = kind, count
        if place not in self._clusters:
            found = await cluster_answers(self.samples(kind, count), kind, self._settings)
            self._clusters[place] = found
        return self._clusters[place]

    async def is_right(self, kind: Kind, count: int) -> bool:
        """Whether the top answer of the first samples is right; without one it is not."""
        clusters = await self.clusters(kind, count)
        if not clusters:
            return False
        place = kind, clusters[0].answer
        if place not in self._grades:
            gold = self._option_of_gold() if kind == "choice" else self._gold
            self._grades[place] = await answers.agrade(clusters[0].answer, gold, kind)
        return self._grades[place]

    def _option_of_gold(self) -> str:
        """The letter of the option whose content the gold is; else the gold as it is."""
        if choice_letter(self._gold, whole=True):
            return self._gold
        return letter_of_content(self._gold, options(self._problem)) or self._gold

    def _extract(self, sample: Sample, recorded: RecordedSample, kind: Kind) -> Sample:
        if sample.status != "answered":
            return sample
        if not recorded.text.strip():
            return sample.model_copy(update={"answer": sample.text})
        found = answers.extract(sample.text, kind, self._problem, self._settings)
        if found is None:
            return sample.model_copy(update={"status": "abstained"})
        return sample.model_copy(
            update={"answer": found.text, "extraction_method": found.extraction_method}
        )


def _unread(index: int, recorded: RecordedSample) -> Sample:
    """A sample as a call would have returned it, its answer not looked for."""
    text = split_reasoning(recorded.text)[1]
    if not recorded.text.strip():
        text = (recorded.answer or "").strip()
    status = STATUS_BY_FINISH_REASON.get(recorded.finish_reason or "", "answered")
    if status == "answered" and not text:
        status = "failed" if recorded.failed else "abstained"
    return Sample(
        index=index,
        status=status,
        text=text,
        finish_reason=recorded.finish_reason,
    )


def _tokens(sample: RecordedSample) -> int:
    if sample.tokens is not None:
        return sample.tokens
    return estimate_tokens(sample.text or sample.answer or "")
