"""A recorded question as the workflow sees it; answers are extracted and compared once."""

from __future__ import annotations

import itertools

from a2r import answers
from a2r._internal.reasoning import split_reasoning
from a2r.answers import Kind, Settings
from a2r.answers.parsing.multiple_choice import choice_letter, match_option, parse_options
from a2r.evaluation.replay.recording_schema import RecordedSample, Recording
from a2r.inference.finish_reasons import reply_status
from a2r.result import Cluster, Sample
from a2r.usage import estimate_tokens
from a2r.workflow.voting import cluster_answers


class RecordedQuestion:
    """The samples of a question with cached answers, clusters and grades, for any number of rules.

    Attributes:
        count: number of samples.
        tokens_estimated: whether the tokens of a sample were estimated.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        settings: Settings,
        kind: Kind = "auto",
        first: int | None = None,
    ) -> None:
        """Use the `first` samples, `None` for all; the workflow's rules infer a kind of `auto`."""
        samples = recording.samples[:first]
        self.count = len(samples)
        self.tokens_estimated = any(sample.tokens is None for sample in samples)
        self._problem = recording.problem
        self._gold = recording.gold
        self._kind = kind
        self._settings = settings
        self._recorded = samples
        self._unparsed = [_to_sample(index, sample) for index, sample in enumerate(samples)]
        self._tokens = [0, *itertools.accumulate(map(_tokens, samples))]
        self._samples: dict[Kind, list[Sample]] = {}
        self._clusters: dict[tuple[Kind, int], list[Cluster]] = {}
        self._grades: dict[tuple[Kind, str], bool] = {}

    def kind(self, wave: int) -> Kind:
        """Return the answer kind; `auto` is inferred from the texts of the first `wave` samples."""
        if self._kind != "auto":
            return self._kind
        texts = [sample.text for sample in self._unparsed[:wave] if sample.text]
        return answers.infer_kind(self._problem, texts)

    def tokens(self, count: int) -> int:
        """Return the completion tokens of the first `count` samples."""
        return self._tokens[count]

    def samples(self, kind: Kind, count: int) -> list[Sample]:
        """Return the first `count` samples with their answers extracted as a kind."""
        if kind not in self._samples:
            pairs = zip(self._unparsed, self._recorded, strict=True)
            self._samples[kind] = [self._extract(*pair, kind) for pair in pairs]
        return self._samples[kind][:count]

    async def clusters(self, kind: Kind, count: int) -> list[Cluster]:
        """Return the clusters of the first `count` samples; later samples must not affect them."""
        key = kind, count
        if key not in self._clusters:
            samples = self.samples(kind, count)
            self._clusters[key] = await cluster_answers(
                samples, kind, self._settings, self._problem
            )
        return self._clusters[key]

    async def is_correct(self, kind: Kind, count: int) -> bool:
        """Return whether the top answer of the first `count` samples is correct."""
        clusters = await self.clusters(kind, count)
        if not clusters:
            return False
        key = kind, clusters[0].answer
        if key not in self._grades:
            gold = self._gold_option() if kind == "choice" else self._gold
            self._grades[key] = await answers.agrade(
                clusters[0].answer, gold, kind, question=self._problem
            )
        return self._grades[key]

    def _gold_option(self) -> str:
        """Return the letter of the option with the gold's text, else the gold itself."""
        if choice_letter(self._gold, exact=True):
            return self._gold
        return match_option(self._gold, parse_options(self._problem)) or self._gold

    def _extract(self, sample: Sample, recorded: RecordedSample, kind: Kind) -> Sample:
        if sample.status != "answered":
            return sample
        if not recorded.text.strip():
            return sample.model_copy(update={"answer": sample.text})
        answer = answers.extract(sample.text, kind, self._problem, self._settings)
        if answer is None:
            return sample.model_copy(update={"status": "abstained"})
        return sample.model_copy(
            update={"answer": answer.text, "extraction_method": answer.extraction_method}
        )


def _to_sample(index: int, recorded: RecordedSample) -> Sample:
    """Return the sample as a model call returns it, without an extracted answer."""
    text = split_reasoning(recorded.text)[1]
    if not recorded.text.strip():
        text = (recorded.answer or "").strip()
    # Recordings without finish reasons are of complete texts.
    finish_reason = recorded.finish_reason
    status = reply_status(finish_reason, text) if finish_reason else "answered"
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
