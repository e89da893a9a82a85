"""Extract the program of a text: the code that defines what the question asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

from a2r.answers.extraction.code_blocks import FENCE, Block, fenced_blocks

# Languages of blocks that hold no program, unless the question names them.
NO_PROGRAMS = frozenset(
    [
        "json",
        "output",
        "console",
        "text",
        "plaintext",
        "txt",
        "bash",
        "sh",
        "shell",
        "zsh",
        "powershell",
        "cmd",
        "bat",
        "terminal",
        "stdout",
        "stdin",
        "log",
        "markdown",
        "md",
        "yaml",
        "yml",
        "toml",
        "ini",
        "csv",
        "tsv",
        "diff",
        "mermaid",
        "latex",
        "tex",
        "math",
        "pycon",
    ]
)
# Languages of blocks under other names than in prose.
LANGUAGE_NAMES = {
    "bash": "bash|shell", "sh": "bash|shell", "shell": "bash|shell", "zsh": "zsh|shell",
    "bat": "batch", "md": "markdown", "yml": "yaml", "yaml": "yaml|yml", "tex": "latex",
    "py": "python", "python3": "python", "js": "javascript|node", "javascript": "javascript|js"
    "|node",
    "jsx": "javascript|react", "ts": "typescript", "tsx": "typescript|react", "rb": "ruby",
    "rs": "rust", "cpp": r"c\+\+|cpp", "c++": r"c\+\+|cpp", "cs": "c#|csharp", "csharp": "c#"
    "|csharp",
    "golang": "go|golang", "go": "go|golang", "kt": "kotlin", "postgresql": "sql|postgresql",
    "mysql": "sql|mysql", "sql": "sql|mysql|postgres(?:ql)?|sqlite",
}  # fmt: skip
WEB_LANGUAGES = frozenset({"html", "css", "js", "javascript"})
TAGGED = re.compile(
    r"\[(?P<square>PYTHON|CODE|SOLUTION)\]\s*?\n?(?P<body>.*?)(?:\[/(?P=square)\]|\Z)"
    r"|<(?P<angle>code|python|program|answer|solution)>\s*?\n?(?P<inner>.*?)(?:</(?P=angle)>|\Z)",
    re.DOTALL,
)
RAW_CODE = re.compile(
    r"^(?:async def |def |class |import |from \w|#include|function |const |let |var |SELECT "
    r"|package "
    r"|fn |pub |public |@)",
    re.MULTILINE,
)
CODE_LINE = re.compile(
    r"[ \t#@})\]]|$|//|/\*|\*|(?:async|def|class|import|from|if|elif|else|for|while|with|try|except"
    r"|finally|return|raise|function|const|let|var|package|fn|pub|public|private|static|use"
    r"|using|SELECT|FROM|WHERE|GROUP|ORDER|JOIN|WITH)\b|[A-Za-z_][\w.\[\], ]*+\s*+(?:[-+*/|&]?=|\()"
    r"|[{}]"
)
DEFINITION = re.compile(
    r"^[ \t]*(?:export\s+|default\s+|pub(?:\([^)\n]*\))?\s+|public\s+|private\s+|protected\s+"
    r"|static\s+|final\s+|abstract\s+|async\s+|inline\s+|override\s+|unsafe\s+){0,5}"
    r"(?:def|class|function\*?|fn|func|fun|sub|struct|enum|interface|trait|impl|module|type|record"
    r"|defmodule|procedure|proc|template|object)\s+(?P<keyword>[A-Za-z_$][\w$]*[!?]?)"
    r"|^[ \t]*(?:export\s+)?(?:const|let|var|val)\s+(?P<arrow>[A-Za-z_$][\w$]*)"
    r"[^=\n]{0,60}=\s*(?:async\s*)?(?:function\b|\([^()\n]*\)\s*(?::[^=\n]{1,40})?=>|\w+\s*=>)"
    r"|^(?P<lambda>[A-Za-z_]\w*)\s*=\s*lambda\b"
    r"|^[ \t]*(?:[A-Za-z_][\w:<>,\[\]]*+(?:[*&]++[\d:<>,\[\]][\w:<>,\[\]]*+)*[ \t*&]++){1,5}"
    r"(?P<typed>[A-Za-z_]\w*+)\s*+\([^;{}()\n]*+\)"
    r"\s*(?:const\s*|noexcept\s*|throws\s++[\w., ]++)?\{"
    r"|^[ \t]*CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE|VIEW"
    r"|TRIGGER)\s+(?P<sql>[A-Za-z_]\w*)"
    r"|^(?P<r>[A-Za-z.][\w.]*)\s*(?:<-|=)\s*function\b|^(?P<haskell>[a-z_][\w']*)\s*::",
    re.MULTILINE,
)
NOT_NAMES = frozenset(
    ["if", "for", "while", "switch", "catch", "return", "else", "new", "throw", "do"]
)
ASSIGNED = re.compile(
    r"^(?:(?:const|let|var|val|auto|final)\s+)?([A-Za-z_]\w*)\s*(?::[^=\n]{1,60})?=(?!=)"
    r"|^(?:from\s+[\w.]+\s+)?import\s+([^\n#]+)|^#define\s+(\w+)|^#include\b|^using\b|^use\b",
    re.MULTILINE,
)
IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*[!?]?")
# Names that a question gives to what it asks for.
REQUESTED = re.compile(
    r"`{1,3}(?:\w+\s+)?([A-Za-z_]\w*)\s*(?:\([^`]*\))?[^`\n]{0,60}`|\bdef\s+([A-Za-z_]\w*)|\b([A-Za-z_]\w*)\("
    r"|\b(?:function|method|class|program|named|called|procedure|query)\s+[\"']?([A-Za-z_]\w*)"
)
EXAMPLE_LEAD = re.compile(
    r"\b(?:examples?|usage|demo|tests?|testing|test cases?|output|outputs|prints?|result|run"
    r"|running"
    r"|install|try it|call (?:it|the)|use (?:it|the function)|how to use|sample (?:input|run)"
    r"|verify|check|traces?|step through|walk through|assert(?:ions?)?|ejemplo|uso|salida"
    r"|beispiel|ausgabe|exemple|sortie|utilisation"
    r"|esempio|exemplo|saída|пример|вывод)\b|(?:示例|例子|用法|使用|测试|輸出|输出|運行|运行|使用例|実行|テスト|出力|예시|사용|출력|테스트)",
    re.IGNORECASE,
)
ALTERNATIVE_LEAD = re.compile(
    r"\b(?:mistakes?|wrong|incorrect|avoid|buggy|bad|do not|don['’]t use|alternative(?:ly)?"
    r"|variants?|another way"
    r"|another approach|optional(?:ly)?|you could also)\b",
    re.IGNORECASE,
)
CORRECTION = re.compile(
    r"\b(?:correct(?:ed|ion)?|fix(?:ed)?|right|improved|final)\b", re.IGNORECASE
)
TESTS = re.compile(
    r"^[^\S\n]*+(?:import (?:unittest|pytest|doctest)\b|from unittest\b|describe\(|@Test\b"
    r"|#\[test\]"
    r"|class\s+\w*Tests?\w*\b|def\s+test_?\w*\b)"
    # Sessions of interpreters.
    r"|^(?:>>>|ghci>|irb\S*>|julia>|scala>|iex\S*>|Prelude>|sqlite>|mysql>|In \[\d+\]:)[ \t]",
    re.MULTILINE,
)
SCHEMA = re.compile(r"\s*(?:--[^\n]*\n\s*)*(?:CREATE\s+TABLE|INSERT\s+INTO)\b", re.IGNORECASE)
WANTS_SCHEMA = re.compile(
    r"\b(?:create|schema|tables? design|ddl|insert"
    r"|populate)\b",
    re.IGNORECASE,
)
COMMANDS = re.compile(
    r"(?:\s*(?:#[^\n]*|(?:\$ |chmod |\./|bash \S|sh \S|source |cd |sudo |npm |pip3? "
    r"|python3? \S+\.py|node \S"
    r"|cargo |go run|g\+\+ |gcc |javac? )[^\n]*)(?:\n|$))+\s*"
)
WANTS_PROGRAM = re.compile(r"\b(?:program|script|application|app|main)\b", re.IGNORECASE)
ENTRY_POINTS = frozenset({"main", "Main", "Program", "Test"})
WANTS_TESTS = re.compile(
    r"\b(?:unit ?tests?|test (?:cases?|suite)|pytest"
    r"|unittest)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A block that may belong to the program, and the names that it defines."""

    block: Block
    names: Set[str]
    weak_names: Set[str]

    @property
    def identifiers(self) -> Set[str]:
        return frozenset(IDENTIFIER.findall(self.block.body))


def find_program(text: str, question: str) -> str | None:
    """The program of a text: the block that defines what the question asks for, or `None`.

    Blocks of one program are joined; a later definition replaces an earlier one of the same names.
    Examples of usage, tests, outputs, shell commands and prose in blocks are not the program. A
    block without a closing fence, `[PYTHON]…[/PYTHON]`, and code without any fence are read too.
    """
    blocks = [block for block in _blocks(_with_opening_fence(text)) if block.body.strip()]
    if not blocks:
        return _raw_code(text)
    programs = [block for block in blocks if not _is_no_program(block, question)]
    programs = _of_requested_language(programs, question) or _last_document(blocks, question)
    parts = [_part(block) for block in programs]
    requested = _requested_names(question) & {name for part in parts for name in part.names}
    defining = (
        [part for part in parts if part.names & requested]
        if requested
        else [part for part in parts if part.names]
    )
    if not defining:
        return _join(_last_of_each_language(parts)) if parts else None
    defining = _without_alternatives(defining)
    current = _without_replaced(_without_entry_points(defining, question))
    return _join(_with_dependencies(current, parts))


def _join(parts: Sequence[_Part]) -> str:
    return "\n\n".join(part.block.body for part in parts)


def _last_of_each_language(parts: Sequence[_Part]) -> list[_Part]:
    """The last block of each language, in the order of the text: a page has several."""
    named = [part for part in parts if part.block.language]
    last = {part.block.language: part for part in named or parts}
    return [part for part in parts if last.get(part.block.language) is part]


def _without_entry_points(parts: Sequence[_Part], question: str) -> list[_Part]:
    """The parts without a `main` that only calls the others, unless a program is requested."""
    if WANTS_PROGRAM.search(question):
        return list(parts)
    names = {name for part in parts for name in part.names} - ENTRY_POINTS
    rest = [part for part in parts if not (part.names <= ENTRY_POINTS and part.identifiers & names)]
    return rest or list(parts)


def _last_document(blocks: Sequence[Block], question: str) -> list[Block]:
    """The last block that is no command and no output.

    The line before a script may say how to run it.
    """
    scripts = [
        block
        for block in blocks
        if _is_program_language(block, question) and not COMMANDS.fullmatch(block.body)
    ]
    documents = [
        block
        for block in blocks
        if block.language not in ("output", "stdout", "console")
        and not COMMANDS.fullmatch(block.body)
    ]
    return (scripts or documents)[-1:]


def _is_program_language(block: Block, question: str) -> bool:
    return block.language not in NO_PROGRAMS or _names_language(question, block.language)


def _with_opening_fence(text: str) -> str:
    """The text with an opening fence, if it starts in a block that the prompt opened."""
    fences = list(FENCE.finditer(text))
    if len(fences) % 2 == 0 or fences[0]["language"] or not RAW_CODE.match(text.lstrip("\n")):
        return text
    return f"{fences[0]['marks']}\n{text}"


def _blocks(text: str) -> list[Block]:
    """The fenced blocks of a text, or those in tags such as `[PYTHON]`."""
    blocks = fenced_blocks(text)
    if blocks:
        return blocks
    return [
        Block(language="", body=(match["body"] or match["inner"] or "").strip("\n"))
        for match in TAGGED.finditer(text)
        if RAW_CODE.search(match["body"] or match["inner"] or "")
    ]


def _raw_code(text: str) -> str | None:
    """Code without a fence: from its first line to the first line of prose."""
    start = RAW_CODE.search(text)
    if start is None or (start.start() > 0 and not DEFINITION.match(text, start.start())):
        return None
    lines = text[start.start() :].splitlines()
    end = next((n for n, line in enumerate(lines) if not CODE_LINE.match(line)), len(lines))
    return "\n".join(lines[:end]).strip("\n") or None


def _is_no_program(block: Block, question: str) -> bool:
    """Whether a block is an example, a test, an output, a command or prose."""
    if not _is_program_language(block, question):
        return True
    if TESTS.search(block.body) and not WANTS_TESTS.search(question):
        return True
    if SCHEMA.match(block.body) and not WANTS_SCHEMA.search(question):
        return True
    if COMMANDS.fullmatch(block.body):
        return True
    if _part(block).names:
        return False
    return bool(EXAMPLE_LEAD.search(block.lead))


def _names_language(question: str, language: str) -> bool:
    names = LANGUAGE_NAMES.get(language, re.escape(language))
    return re.search(rf"(?<![\w+#])(?:{names})(?![\w+#])", question, re.IGNORECASE) is not None


def _of_requested_language(blocks: list[Block], question: str) -> list[Block]:
    """The blocks in a language that the question names, if some blocks are in another one."""
    languages = {block.language for block in blocks if block.language}
    named = {language for language in languages if _names_language(question, language)}
    if not named:
        return blocks
    if named & WEB_LANGUAGES:
        named |= WEB_LANGUAGES
    return [block for block in blocks if not block.language or block.language in named]


def _part(block: Block) -> _Part:
    names = {name for match in DEFINITION.finditer(block.body) for name in match.groups() if name}
    weak = {
        name
        for match in ASSIGNED.finditer(block.body)
        for name in IDENTIFIER.findall(match[1] or match[2] or match[3] or "")
    }
    return _Part(block=block, names=names - NOT_NAMES, weak_names=weak)


def _requested_names(question: str) -> set[str]:
    return {name for match in REQUESTED.finditer(question) for name in match.groups() if name}


def _without_alternatives(parts: Sequence[_Part]) -> list[_Part]:
    """The parts that the text does not present as a mistake or as an alternative."""
    proper = [
        part
        for part in parts
        if not ALTERNATIVE_LEAD.search(part.block.lead) or CORRECTION.search(part.block.lead)
    ]
    return proper or list(parts)


def _without_replaced(parts: Sequence[_Part]) -> list[_Part]:
    """The parts whose names are not all defined again by later ones."""
    current: list[_Part] = []
    later: set[str] = set()
    for part in reversed(parts):
        if not part.names <= later:
            current.insert(0, part)
        later |= part.names
    return current


def _with_dependencies(roots: list[_Part], parts: Sequence[_Part]) -> list[_Part]:
    """The roots and the parts whose names they use, in the order of the text."""
    selected, pending = list(roots), list(roots)
    defined = {name for part in roots for name in part.names | part.weak_names}
    program = {name for part in roots for name in part.names}
    lines = {line.strip() for part in roots for line in part.block.body.splitlines()}
    last_root = max(parts.index(part) for part in roots)
    available = [
        part
        for part in parts
        if not EXAMPLE_LEAD.search(part.block.lead)
        and parts.index(part) < last_root
        and not part.identifiers & program
        and not {line.strip() for line in part.block.body.splitlines()} <= lines
    ]
    while pending:
        used = pending.pop().identifiers
        for part in available:
            names = part.names | part.weak_names
            if part not in selected and (names - defined) & used and not part.names & defined:
                selected.append(part)
                pending.append(part)
                defined |= names
    return [part for part in parts if part in selected]
