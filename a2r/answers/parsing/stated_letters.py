"""Sentences that state the correct options without an answer phrase."""

from __future__ import annotations

import re

from a2r.answers.parsing.multiple_choice import LETTERS

CLAUSE_START = (
    r"(?:^|[.!?:;,\n，。；]\s{0,20}+|\b(?i:so|thus|hence|therefore|that|then|and|but|because|option|choice|answer"
    r"|letter)\s+)"
)
NOUN = (
    r"(?:(?:the\s+)?(?:options?|choices?|letters?|answers?|statements?|opci[oó]n(?:es)?|opzion[ei]"
    r"|opç(?:ão|ões)|alternativas?|Antwort(?:en)?|lettres?|вариант\w*|ответ\w*|选项|選項|選択肢)\s*)"
)
BARE = rf"(?:[(\[][{LETTERS}][)\]]|(?<![A-Za-z0-9])[{LETTERS}](?![A-Za-z0-9_'’-]))"
JOINT = r"(?:,\s*and\b|[,、&/;+]|(?:and|or|as well as|und|et|y|e|и|ve)\b|和|与|及|以及)"
LIST = rf"\*{{0,2}}{BARE}(?:\s*{JOINT}\s*{NOUN}?{BARE}){{0,9}}\*{{0,2}}"
# In "B because …" a reason follows the letter; in "A person …" it is an article.
END = r"(?=\W*(?:$|[.,;:!?)。，：—–]|\n|(?:because|since|as|which|and|is|was|for)\b))"
CORRECT = (
    r"(?:correct|right|true|best(?=\W*(?:$|[.,;]|(?:answer|choice|option|fit|one)s?\b))"
    r"|the (?:correct |right |best )?(?:answers?|options?|choices?)|the one that fits"
    r"|richtig|korrekt|correct[aoe]s?|corrett[aoie]|certas?|верн\w*|правильн\w*)"
)
IS = r"(?:is|are|:|is indeed|must be|are both|ist|sind|es|son|est|sont|è|sono|é|são|—)"
STATED = re.compile(
    rf"{CLAUSE_START}(?:(?i:both|all of)\s+)?(?i:{NOUN})?(?P<first>{LIST})\W{{0,3}}\s*{IS}"
    rf"\s+(?:the\s+|also\s+|both\s+|all\s+|therefore\s+|la\s+|die\s+)?(?i:{CORRECT})(?!\w)"
    r"(?!\s+(?:that|only if|if))(?!\?)"
    r"|(?i:(?:correct|right|best|final|remaining|my)\s+(?:choices?|options?|letters?|alternatives?)"
    r"|(?:answer|option|choice)\s+choice|(?:statement|option|one) (?:that|which) is (?:true"
    r"|correct))"
    r"\s*+(?i:is|are|:|would be)?\s*+(?i:options?|choices?|letters?)?"
    rf"\W{{0,4}}?(?P<second>{LIST})(?![\w'’-])"
    r"|(?i:\b(?:choose|chose|pick|select|go with|going with|opt for|is option|is choice|must be"
    rf"|select option|letra)|选择|選擇|选|選)\s*(?i:{NOUN})?\W{{0,12}}?(?P<third>{LIST}"
    rf"|(?<=选)[{LETTERS}]{{2,6}}(?![A-Za-z])){END}"
    rf"|(?i:\b(?:leaving|leaves)(?:\s+us)?(?:\s+with)?)\s+(?i:{NOUN})?(?P<last>{BARE})"
    r"(?=\W*(?:$|[.;:!]|\n|(?:because|since|as)\b))"
    rf"|\b(?i:option|antwort)\s+(?P<german>{LIST})\s+(?:richtig|korrekt)\b"
    rf"|\b(?:ist|lautet)\s+(?:die\s+)?(?:richtige\s+)?Antwort\s+(?P<inverted>{LIST})"
    rf"|(?:选项|選項)?(?P<chinese>{LIST})\s*(?:都)?(?:是|为)?(?:正确|正確|对的|對的)",
    re.MULTILINE,
)
# Opinions and conclusions, which count where nothing above does.
CONCLUDED = re.compile(
    r"(?i:\b(?:i(?:['’]d| would)? (?:think|believe|say|guess|suspect)(?: that)?|it(?:['’]s| is"
    r"| must be| has to be)"
    r"|(?:therefore|thus|hence|so|surely|definitely|certainly|probably|clearly|then)),?\s+"
    r"(?:it(?:['’]s| is| must be)\s+|the answer is\s+)?)"
    rf"(?:(?i:{NOUN})(?P<named>{LIST})(?!\s*+(?:{{not}}))|(?P<bare>{LIST}){END})"
    r"|(?P<local>(?<![A-Za-z])[A-J])\s*+[가이는은]?\s*+[がは是为]?\s*+(?:正解|正しい|正确|对的|정답|맞)".replace(
        "{not}",
        r"(?:is|are|was|can|could|does|do|seems?)?\s*+(?:not|n['’]t|incorrect|wrong"
        "|false|out|be (?:ruled|eliminated)|eliminated|ruled|partially)",
    ),
    re.MULTILINE,
)
DENIED = re.compile(
    r"(?:\b(?:not|never|cannot|if|whether|some|others|might|could|would|doubt|neither|between)\b|n['’]t\b|(?:^|[.!?]\s)(?:is|was|were)\b)"
    r"[^.!?\n]{0,20}$",
    re.IGNORECASE,
)
# Between two statements of one sentence, such as `B is correct and C is correct`.
SAME_SENTENCE = re.compile(r"[\s,]{0,3}")
NEW_CLAUSE = re.compile(r"(?:so|thus|hence|therefore|then)\b|[.!?\n。]", re.IGNORECASE)
DENIAL_AFTER = re.compile(
    r"\W*+(?:is|are|was|were|can|could|does|do|seems?|cannot)?\s*+(?:not\b|n['’]t\b|incorrect"
    r"|wrong|false|out\b|be (?:ruled|eliminated)|eliminated|ruled|only partially)"
)


def stated_letters(text: str) -> list[tuple[int, str]]:
    """The end positions and letters of statements such as `C is correct` or `I go with E`."""
    return _statements(STATED, text)


def concluded_letters(text: str) -> list[tuple[int, str]]:
    """The end positions and letters of opinions such as `I think it's B`, `therefore option C`."""
    return _statements(CONCLUDED, text)


def _statements(pattern: re.Pattern[str], text: str) -> list[tuple[int, str]]:
    stated: list[tuple[int, str]] = []
    for match in pattern.finditer(text):
        letters = next(group for group in match.groups() if group)
        before = text[max(0, match.start() - 30) : match.start()]
        is_new_clause = NEW_CLAUSE.match(match[0]) is not None
        if DENIED.search(before) and not before.rstrip().endswith("would") and not is_new_clause:
            continue
        if pattern is CONCLUDED and DENIAL_AFTER.match(text, match.end()):
            continue
        if stated and SAME_SENTENCE.fullmatch(text, stated[-1][0], match.start()):
            letters = f"{stated.pop()[1]}, {letters}"
        stated.append((match.end(), letters))
    return stated
