"""A question in any of the forms that LangChain's chat models take, as chat messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    MessageLikeRepresentation,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import PromptValue
from pydantic import ValidationError

from a2r.errors import QuestionError

Chat = PromptValue | MessageLikeRepresentation | Sequence[MessageLikeRepresentation]
FORMS = (
    "a question is a text, a chat message (a message object, {'role': …, 'content': …} or "
    "('user', …)), or a list of chat messages"
)
IGNORED_PARTS = ("reasoning", "thinking", "tool_use", "tool_call")
ROLES = frozenset({"user", "human", "assistant", "ai", "system", "developer"})
SUPPORTED = (HumanMessage, AIMessage, SystemMessage, ToolMessage, FunctionMessage)


def validate_question(question: object) -> str:
    """The question, if it is text that is not empty.

    Raises:
        QuestionError: it is not text, empty, or not valid Unicode.
    """
    if not isinstance(question, str):
        raise QuestionError(f"the question is not text: got {type(question).__name__}; {FORMS}")
    if not question.strip():
        raise QuestionError("the question is empty")
    try:
        question.encode("utf-8")
    except UnicodeEncodeError as error:
        raise QuestionError(
            f"the question is not valid Unicode (a lone surrogate at character {error.start})"
        ) from error
    return question


def message_text(message: BaseMessage) -> str:
    """The text of a message, without reasoning and tool calls.

    Raises:
        QuestionError: a part of it is not text.
    """
    if isinstance(message.content, str):
        return message.content
    for block in message.content:
        kind = "text" if isinstance(block, str) else block.get("type")
        if kind != "text" and kind not in IGNORED_PARTS:
            raise QuestionError(
                f"a message contains a part of type {kind!r}: only text is supported"
            )
    return str(message.text)


def to_messages(chat: object) -> list[AnyMessage]:
    """A chat as messages: a message, a prompt value, or a list that may mix all forms.

    Raises:
        QuestionError: it is not one of them.
    """
    if isinstance(chat, PromptValue):
        return [_to_message(message, None) for message in chat.to_messages()]
    if isinstance(chat, (BaseMessage, Mapping)) or _is_pair(chat):
        return [_to_message(chat, None)]
    if isinstance(chat, Sequence) and not isinstance(chat, (str, bytes, bytearray, memoryview)):
        return [_to_message(message, number) for number, message in enumerate(chat, start=1)]
    raise QuestionError(f"the question is not text: got {type(chat).__name__}; {FORMS}")


def known_roles(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages; those that name a known role are of the type of that role."""
    return [
        _to_message(message, number)
        if isinstance(message, ChatMessage) and message.role in ROLES
        else message
        for number, message in enumerate(messages, start=1)
    ]


def _is_pair(chat: object) -> bool:
    """Whether it is one message, ("user", "…"), and not a chat of two texts."""
    return (
        isinstance(chat, tuple)
        and len(chat) == 2
        and isinstance(chat[0], str)
        and chat[0] in ROLES
        and isinstance(chat[1], (str, list))
    )


def _to_message(message: object, number: int | None) -> AnyMessage:
    where = "the message" if number is None else f"message {number}"
    source: Any = message
    if isinstance(message, ChatMessage):
        source = {"role": message.role, "content": message.content}
    elif isinstance(message, Mapping):
        source = dict(message)
    try:
        [converted] = convert_to_messages([source])
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError) as error:
        reason = _invalid_field(error) or _reason(message)
        raise QuestionError(f"{where} is no chat message{reason}; {FORMS}") from error
    if not isinstance(converted, SUPPORTED):
        raise QuestionError(f"{where} is of type {type(converted).__name__}; {FORMS}")
    return converted


def _invalid_field(error: Exception) -> str:
    """The field of a message that does not fit, other than its content; empty if unknown."""
    fields = error.errors()[0]["loc"] if isinstance(error, ValidationError) else ()
    return f": its field {fields[0]!r} does not fit" if fields and fields[0] != "content" else ""


def _reason(message: object) -> str:
    """What does not fit, without the text of the message."""
    if isinstance(message, ChatMessage):
        return f": its role is {message.role!r}"
    if not isinstance(message, Mapping):
        return f": got {type(message).__name__}"
    role = message.get("role", message.get("type"))
    if not isinstance(role, str):
        return ": its role is missing" if role is None else f": its role is {type(role).__name__}"
    if "content" not in message:
        return ": its content is missing"
    return f": its role is {role!r}, its content {type(message['content']).__name__}"
