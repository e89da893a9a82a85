"""The words of several languages that announce an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass

MARKS = r"[*_\"'”»]{0,3}"
VALUE_AFTER = r"(?=[\s*_(\[$\\]{0,6}(?:[-+]?\d|[A-JＡ-Ｊ](?![A-Za-z])|\\[a-z]))"


@dataclass(frozen=True, kw_only=True)
class AnswerWords:
    """How a language announces an answer: a pattern, and stems one of which it contains."""

    stems: tuple[str, ...]
    pattern: re.Pattern[str]

    def occur_in(self, lower_text: str) -> bool:
        """Whether one of the stems occurs in a text in lower case."""
        return any(stem in lower_text for stem in self.stems)


def _words(stems: str, *, nouns: str, adjectives: str, verbs: str) -> AnswerWords:
    """A language with the order `adjectives noun adjectives verb`, as in English."""
    pattern = (
        rf"(?<!\w)(?:(?:{adjectives})\s{{1,3}}){{0,2}}(?:{nouns})"
        rf"(?:\s{{1,3}}(?:{adjectives})){{0,2}}{MARKS}\s{{0,3}}{MARKS}(?:(?:{verbs})(?!\w)|[:：=])"
    )
    return AnswerWords(stems=tuple(stems.split("|")), pattern=_compile(pattern))


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


LANGUAGES: tuple[AnswerWords, ...] = (
    _words(  # Spanish
        "respuesta|soluci|resultado",
        nouns="respuestas?|solución|solucion|resultado",
        adjectives="final|correct[ao]s?|exact[ao]",
        verbs="es|son|sería|será",
    ),
    _words(  # Portuguese
        "resposta|solu|resultado",
        nouns="respostas?|solução|solucao|resultado",
        adjectives="final|corret[ao]s?|cert[ao]|exat[ao]",
        verbs="é|são|seria|será",
    ),
    _words(  # French
        "réponse|reponse|résultat",
        nouns="réponses?|reponse|résultat",
        adjectives="finale?|correctes?|bonnes?|exacte?",
        verbs="est|sont|serait|sera",
    ),
    _words(  # Italian
        "rispost|soluzion|risultat",
        nouns="rispost[ae]|soluzione|risultato",
        adjectives="finale|corrett[aoe]|esatt[ao]|giusta",
        verbs="è|e'|sono|sarebbe",
    ),
    _words(  # German
        "antwort|lösung|ergebnis|resultat",
        nouns="Antwort(?:en)?|Lösung|Ergebnis|Endergebnis|Endantwort|Resultat",
        adjectives="richtigen?|korrekten?|finale|endgültige|gesuchte",
        verbs="lautet|ist|sind|wäre|beträgt",
    ),
    _words(  # Dutch
        "antwoord",
        nouns="antwoord",
        adjectives="juiste|goede|correcte|definitieve",
        verbs="is|luidt",
    ),
    _words(  # Polish
        "odpowied|wynik",
        nouns="odpowiedź|odpowiedzią|wynik",
        adjectives="poprawn[aąy]|prawidłow[aąy]|ostateczn[aąy]|końcow[aąy]",
        verbs="to|jest|wynosi",
    ),
    _words(  # Russian
        "ответ|результат",
        nouns=r"ответ\w{0,3}|результат",
        adjectives=r"правильн\w{2,3}|верн\w{2,3}|окончательн\w{2,3}|итогов\w{2,3}",
        verbs="равен|это|будет|составляет|—|–|-(?=\\s)",
    ),
    _words(  # Indonesian
        "jawab|hasil",
        nouns="jawaban(?:nya)?|hasilnya",
        adjectives=r"(?:yang\s)?(?:benar|tepat)|akhir(?:nya)?",
        verbs="adalah|ialah|yaitu",
    ),
    _words(  # Vietnamese
        "đáp|câu trả lời|kết quả",
        nouns="đáp án|câu trả lời|đáp số|kết quả",
        adjectives="đúng(?: nhất)?|chính xác|cuối cùng",
        verbs="là",
    ),
    _words(  # Arabic
        "جواب|جابة|نتيجة|ناتج",
        nouns="ال(?:إجابة|اجابة|جواب|نتيجة|ناتج)",
        adjectives="ال(?:صحيحة|نهائية|صحيح|نهائي)",
        verbs="هي|هو|تساوي|يساوي",
    ),
    # Turkish and Hindi have no verb between the noun and the answer.
    AnswerWords(
        stems=("cevap", "cevab", "yanıt", "sonuç"),
        pattern=_compile(
            r"(?<!\w)(?:(?:doğru|nihai|kesin)\s{1,3})?(?:cevaplar|cevap|cevabı|yanıt|yanıtı|sonuç)"
            rf"{MARKS}\s{{0,3}}(?:[:：=]|{VALUE_AFTER})"
        ),
    ),
    AnswerWords(
        stems=("उत्तर", "जवाब", "विकल्प"),
        pattern=_compile(
            r"(?<!\w)(?:(?:सही|अंतिम|अन्तिम)\s{1,3})?(?:उत्तर|जवाब|विकल्प)"
            rf"{MARKS}\s{{0,3}}(?:[:：=]|{VALUE_AFTER})"
        ),
    ),
    AnswerWords(  # Chinese and Japanese
        stems=("答", "结果", "結果", "正解", "解", "选", "選"),
        pattern=_compile(
            r"(?:最终|正确|最后|所以|因此|最終|正確)?的?(?:答案|结果|結果|正解|解答|答え)"
            r"(?:应该|应当|就)?\s{0,3}(?:是|为|為|選|选|は|：|:|＝|=)"
            r"|[【\[](?:答案|正解|解答)[】\]][ \t]{0,3}"
            r"|^\s{0,3}答\s{0,3}[：:]|故选|应选|所以选|应该选|正确选项(?:是|为)|^选(?=\s{0,2}[A-J])"
        ),
    ),
    AnswerWords(  # Korean
        stems=("답", "결과"),
        pattern=_compile(r"(?:정답|답|결과)\s{0,3}(?:은|는|：|:)"),
    ),
)
# Those that an ASCII text may contain.
ASCII_LANGUAGES = tuple(words for words in LANGUAGES if any(stem.isascii() for stem in words.stems))
# Headings of a conclusion at the start of a line.
CONCLUSION_HEADING = re.compile(
    r"^[ \t>#*_-]{0,12}(?:conclusion|in conclusion|summary|fazit|schlussfolgerung|conclusi[oó]n"
    r"|conclusão|conclusione|вывод|итог|итого|结论|結論|总结|總結|결론|kesimpulan|kết luận|sonuç"
    r"|निष्कर्ष|الخلاصة)[ \t*_]{0,4}[:：][ \t*_]{0,6}(?=\S)",
    re.IGNORECASE | re.MULTILINE,
)
