"""No view of a config, error message or `repr` shows a secret."""

from __future__ import annotations

import json
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from a2r._internal.secret_redaction import (
    REDACTED,
    hide_values,
    is_secret,
    redact,
    redact_text,
    secret_values,
)
from a2r.cli.config import config_app
from a2r.config import Config, LoadedConfig, config_names, load_config
from a2r.errors import ConfigError
from a2r.interfaces.mcp_server.resources import redacted_config
from a2r.serving.vllm.compose import compose_file
from a2r.serving.vllm.server_spec import server_specs

SECRET = "S3CRETvalue"
DIGITS = 918273645546372819

SECRET_NAMES = [
    *("api_key", "api-key", "apiKey", "APIKey", "apikey", "API_KEY", "X-Api-Key", "x.api.key"),
    *("openaiApiKey", "api key", "OPENAI_API_KEY_2", "KEY2", "accessKeyId", "accesskeyid"),
    *("token", "hf-token", "HF_TOKEN", "HF_TOKEN2", "hfToken", "authToken", "access_tokens"),
    *("password", "PASSWORD1", "passwd", "pwd", "passphrase", "DbPassword", "pass"),
    *("secret", "clientSecret", "clientSecretValue", "my_secrets", "AWS_SECRET_ACCESS_KEY"),
    *("Authorization", "proxy-authorization", "auth", "bearer", "Cookie", "jwt", "credentials"),
    *("cache_salt", "signature"),
]
OTHER_NAMES = [
    *("top_k", "tokenizer", "TOKENIZERS_PARALLELISM", "tokenize", "keyboard", "author"),
    *("passes", "model", "max_model_len", "keep_alive", "authority"),
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)
    for value in (
        SECRET,
        DIGITS,
        1.5,
        {"size": DIGITS},
        {"max": [1.5]},
        [SECRET],
        [[SECRET], {"x": SECRET}],
        {"value": SECRET},
    ):
        shown = json.dumps(redact({"outer": [{name: value}]}))
        assert SECRET not in shown
        assert str(DIGITS) not in shown
        assert "1.5" not in shown


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_names(name: str) -> None:
    assert not is_secret(name)
    assert redact({name: "value"}) == {name: "value"}


@pytest.mark.parametrize(
    "value",
    [
        {"max_tokens": 5, "min_tokens": "8", "max-num-batched-tokens": "8k"},
        {"stop_token_ids": [1, 2], "thinking_token_budget": 512},
        {"hf-overrides": {"num_key_value_heads": 8}},
        {"skip_special_tokens": True, "token": None, "api_key": "", "key": False},
        "hf://owner/repo/file.gguf@main",
        "http://host:8000/v1?n=1&max_tokens=5",
        "Answer as name=value, one a line.\nThe key of the map is its name.",
        "An author writes to me@example.org. Basic arithmetic, bearer of news.",
    ],
)
def test_settings_that_are_not_secret_are_shown(value: Any) -> None:
    assert redact(value) == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"https://me:{SECRET}@host/v1", f"https://{REDACTED}@host/v1"),
        (f"https://{SECRET}@host", f"https://{REDACTED}@host"),
        (f"redis://:{SECRET}@host and x", f"redis://{REDACTED}@host and x"),
        (f"me:{SECRET}@host/v1", f"{REDACTED}@host/v1"),
        (f"http://h/v1?n=1&api_key={SECRET}&m=2", f"http://h/v1?n=1&api_key={REDACTED}&m=2"),
        (f"http://h/#access_token={SECRET}", f"http://h/#access_token={REDACTED}"),
        (f"Bearer {SECRET}", f"Bearer {REDACTED}"),
        (f"Authorization: Bearer {SECRET}", f"Authorization: {REDACTED}"),
        (f"Accept: a\nX-Api-Key: {SECRET}\nB: c", f"Accept: a\nX-Api-Key: {REDACTED}\nB: c"),
        (
            f"curl -H 'Authorization: Bearer {SECRET}'",
            f"curl -H 'Authorization: Bearer {REDACTED}'",
        ),
        (f"HF_TOKEN={SECRET}", f"HF_TOKEN={REDACTED}"),
        (f"A=1 HF_TOKEN={SECRET} B=2", f"A=1 HF_TOKEN={REDACTED} B=2"),
        (f"serve --hf-token {SECRET} --port 1", f"serve --hf-token {REDACTED} --port 1"),
        (f"serve --hf-token='{SECRET} {SECRET}'", f"serve --hf-token={REDACTED}"),
        (
            f'{{"a": {{"apiKey": "{SECRET}"}}, "b": 1}}',
            f'{{"a": {{"apiKey": "{REDACTED}"}}, "b": 1}}',
        ),
        (f"{{'api_key': '{SECRET}', 'b': 1}}", f"{{'api_key': {REDACTED}, 'b': 1}}"),
        (f'{{"api_key": "{SECRET}"', f'{{"api_key": {REDACTED}'),
        ("use sk-proj-0123456789abcdefXYZ now", f"use {REDACTED} now"),
        ("hf_0123456789abcdefXYZ", REDACTED),
    ],
)
def test_secrets_recognized_by_their_format(text: str, shown: str) -> None:
    assert redact_text(text) == shown
    assert redact({"x": [text]}) == {"x": [shown]}
    assert list(redact({text: None})) == [shown]


@pytest.mark.parametrize(
    "text",
    [
        'the key s3"cr\u00e9t/9 is no key',
        '{"input": "s3\\"cr\u00e9t/9"}',
        '{"input": "s3\\"cr\\u00e9t/9"}',
        "/v1?token=s3%22cr%C3%A9t%2F9&x=1",
        "['s3\"cr\u00e9t/9']",
        "header abcdef123",
        "/v1?token=s3%22cr%c3%a9t/9",
        "/v1?token=s3%2522cr%25C3%25A9t%252F9",
        '{"input": "s3\\\\\\"cr\\\\u00E9t\\\\/9"}',
        "<b>s3&quot;cr&eacute;t/9</b>, s3&#34;cr&#xe9;t&#47;9",
        's3"cr\n  \u00e9t/9',
        "split abc\r\ndef\\n123",
        "/v1?x=s3%22cr%C3%A9t%2F9&y=abcdef123",
        b64encode('s3"cr\u00e9t/9'.encode()).decode(),
        urlsafe_b64encode('s3"cr\u00e9t/9'.encode()).decode().rstrip("="),
    ],
)
def test_known_values_are_hidden_in_every_spelling(text: str) -> None:
    shown = hide_values(text, ['s3"cr\u00e9t/9', "Bearer abcdef123", "x"])
    assert REDACTED in shown
    assert not any(part in shown for part in ("s3", "abcdef", "czMi", "abc", "123"))
    assert hide_values("x and y", ["x"]) == "x and y"


@pytest.mark.parametrize("unit", ["a", "a ", "\\", " ", "a\\n", "%2", "%25", "&#", '\\"'])
def test_values_that_are_not_in_a_text_change_nothing(unit: str) -> None:
    text = unit * 20_000 + "!"
    values = [f"{character * 40}x" for character in ("a", '"\\', " ", "%")]
    assert hide_values(text, values) == text


@pytest.mark.parametrize("text", ["a%20b%2Bc%2fd%5Ce", "a+b%2Bc/d%5ce", "a\\u0020b+c/d\\\\e"])
def test_spaces_and_signs_of_urls_are_found_in_values(text: str) -> None:
    assert hide_values(f"<{text}>", ["a b+c/d\\e"]) == f"<{REDACTED}>"


def test_ordinary_words_are_not_joined_to_short_values() -> None:
    assert hide_values("create stuff", ["test"]) == "create stuff"
    assert hide_values("a test", ["test"]) == f"a {REDACTED}"


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_value_that_is_cut_off_is_hidden(quote: str) -> None:
    text = f"request {{{quote}api_key{quote}: {quote}abc defghi"
    assert redact_text(text) == f"request {{{quote}api_key{quote}: {REDACTED}"


def test_secrets_named_by_the_item_beside_them() -> None:
    assert redact(["--hf-token", SECRET, "--port", "1"]) == ["--hf-token", REDACTED, "--port", "1"]
    assert redact([["X-Api-Key", SECRET], ["Accept", "a"]]) == [
        ["X-Api-Key", REDACTED],
        ["Accept", "a"],
    ]
    assert redact({"name": "X-Api-Key", "value": SECRET}) == {
        "name": "X-Api-Key",
        "value": REDACTED,
    }


def test_a_schema_with_a_secret_name_keeps_its_types() -> None:
    schema = {"properties": {"token": {"type": "string", "const": SECRET}}}
    assert redact(schema) == {"properties": {"token": {"type": "string", "const": REDACTED}}}


def test_which_values_are_redacted() -> None:
    value = {"a": "x", "api_key": SECRET, "n": [{"password": DIGITS}], "u": "http://u:p@h"}
    assert list(secret_values(value)) == [SECRET, str(DIGITS), "http://u:p@h"]
    assert list(secret_values(SECRET, "HF_TOKEN")) == [SECRET]
    inline = json.dumps({"a": {"token": SECRET}, "b": 1})
    assert list(secret_values(inline)) == [inline, SECRET]


@pytest.mark.parametrize("name", config_names())
def test_the_shipped_configs_are_shown_unchanged(name: str) -> None:
    loaded = load_config(name)
    assert loaded.redacted_values() == loaded.values()


def body() -> dict[str, Any]:
    return {
        "apiKey": SECRET,
        "extra_headers": {"Authorization": f"Bearer {SECRET}", "X-Trace": f"Bearer {SECRET}"},
        "headers": [["Cookie", SECRET], {"name": "X-Api-Key", "value": SECRET}],
        "deep": [{"credentials": {"user": SECRET, "pin": DIGITS, "more": [[SECRET]]}}],
        "callback": f"https://me:{SECRET}@host/hook?token={SECRET}",
        "inline": json.dumps({"a": [{"client_secret": SECRET}]}),
        "max_tokens_per_doc": 7,
    }


def vllm() -> dict[str, Any]:
    return {
        "port": 8001,
        "flags": {
            "hf-token": SECRET,
            "override-generation-config": {"api_key": SECRET, "max_new_tokens": 7},
            "hf-overrides": json.dumps({"auth": {"token": SECRET}}),
            "additional-config": [f"HF_TOKEN={SECRET}", f"http://me:{SECRET}@h"],
            "x.apiKey": SECRET,
            "middleware": f"--api-key={SECRET}",
            "max-num-batched-tokens": 8192,
        },
        "env": {
            "HF_TOKEN": SECRET,
            "HTTPS_PROXY": f"http://me:{SECRET}@proxy:3128",
            "PIN_KEY": DIGITS,
            "EXTRA": json.dumps({"password": SECRET}),
            "HF_HUB_OFFLINE": 1,
        },
    }


def loaded() -> LoadedConfig:
    return load_config(
        {
            "explorer": {
                "model": "m",
                "endpoints": [f"http://me:{SECRET}@host/v1?key={SECRET}"],
                "sampling": {"extra_body": body()},
                "vllm": vllm(),
            },
            "gate": {
                "rule": "mine.py:Rule",
                "settings": {"apiKey": SECRET, "url": f"//u:{SECRET}@h"},
            },
        }
    )


def shown_by_cli(config: LoadedConfig, folder: Path) -> str:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(config.config.model_dump(by_alias=True, exclude_unset=True)))
    result = CliRunner().invoke(config_app, ["show", str(path)])
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize(
    "view",
    [
        lambda config, _: json.dumps(config.redacted_values()),
        lambda config, _: json.dumps(redacted_config(config)),
        lambda config, _: repr(config),
        lambda config, _: str(config.config),
        lambda config, _: f"{config.config.explorer.sampling} {config.config.explorer.vllm}",
        lambda config, _: repr(server_specs(config)),
        lambda config, _: "\n".join(spec.shell() for spec in server_specs(config)),
        lambda config, _: compose_file("mine", server_specs(config)),
        shown_by_cli,
    ],
)
def test_no_view_shows_a_secret(view: Callable[[LoadedConfig, Path], str], tmp_path: Path) -> None:
    shown = view(loaded(), tmp_path)
    assert SECRET not in shown
    assert str(DIGITS) not in shown


def test_redaction_does_not_change_the_config() -> None:
    role = loaded().config.explorer
    assert role.sampling.extra_body == body()
    [spec] = server_specs(loaded())
    assert spec.environment()["HF_TOKEN"] == SECRET
    assert SECRET in spec.argv()


def test_token_counts_are_shown_in_commands() -> None:
    [spec] = server_specs(loaded())
    assert "--max-num-batched-tokens 8192" in spec.shell()
    assert "HF_HUB_OFFLINE=1" in spec.shell()


ROLE = {"model": "m", "endpoints": ["http://h/v1"]}


@pytest.mark.parametrize(
    "explorer",
    [
        {**ROLE, "api_key_env": [SECRET]},
        {**ROLE, "api_key_env": {"key": SECRET}},
        {**ROLE, "endpoints": [f"me:{SECRET}@host/v1"]},
        {**ROLE, "endpoints": [f"http://me:a/{SECRET}@host/v1"]},
        {**ROLE, "endpoints": [f"http://me:a b {SECRET}@host/v1"]},
        {**ROLE, "endpoints": f"http://me:{SECRET}@host/v1"},
        {**ROLE, "sampling": {"extra_body": f"api_key: {SECRET}"}},
        {**ROLE, "sampling": {"extra_body": [f"password {SECRET}"]}},
        {**ROLE, "sampling": {"extra_body": {"api_key": SECRET, "stream": True}}},
        {**ROLE, "sampling": {"temperature": f"api_key={SECRET}"}},
        {**ROLE, "sampling": [{"extra_body": {"api_key": SECRET}}]},
        {**ROLE, "vllm": {"port": 1, "flags": SECRET}},
        {**ROLE, "vllm": {"port": 1, "flags": {f"--api-key={SECRET}": True}}},
        {**ROLE, "vllm": {"port": 1, "flags": {"api-key": SECRET}}},
        {**ROLE, "vllm": {"port": 1, "flags": {"hf-token": SECRET, "x": {1}}}},
        {**ROLE, "vllm": {"port": 1, "env": [f"HF_TOKEN={SECRET}"]}},
        {**ROLE, "vllm": {"port": 1, "env": f"anything {SECRET}"}},
        {**ROLE, "vllm": {"port": 1, "env": {"HF_TOKEN": [SECRET]}}},
        {**ROLE, "vllm": {"port": 1, "env": {f"HF_TOKEN={SECRET}": 1}}},
        {**ROLE, "vllm": {"port": 1, "env": {"VLLM_API_KEY": SECRET}}},
        {**ROLE, "vllm": {"port": 1, "host": f"me:{SECRET}@host"}},
        {**ROLE, "vllm": [{"env": {"HF_TOKEN": SECRET}}]},
        [{**ROLE, "vllm": {"env": {"HF_TOKEN": SECRET}}}],
    ],
)
def test_no_error_shows_a_secret(explorer: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"explorer": explorer})
    lines = traceback.format_exception(caught.value)
    assert SECRET not in "".join(lines)
    with pytest.raises(ValidationError) as invalid:
        Config.model_validate({"explorer": explorer})
    assert SECRET not in str(invalid.value)


@pytest.mark.parametrize(
    "assignment",
    [
        f"explorer.vllm.env.PASS=*{SECRET}",
        f"explorer.vllm.env.PASS=!{SECRET}",
        f"explorer.vllm.env.PASS=!x!{SECRET}",
        f"explorer.vllm.env.PASS=[&{SECRET} a, &{SECRET} b",
        f"explorer.vllm.env.PASS='{SECRET}",
        f"explorer.sampling.extra_body={{api_key: {SECRET}",
        f"HF_TOKEN: {SECRET}",
        f"--api-key {SECRET}",
    ],
)
def test_no_error_about_an_assignment_shows_a_secret(
    assignment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("tiny", assignments=[assignment])
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    if "=" not in assignment:
        return
    value = assignment.partition("=")[2]
    path = tmp_path / "mine.yaml"
    path.write_text(f"kind: auto\nexplorer: {value}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml:\d") as caught:
        load_config(path)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    monkeypatch.setenv("A2R_EXPLORER__VLLM__ENV", value)
    with pytest.raises(ConfigError, match="A2R_EXPLORER__VLLM__ENV") as caught:
        load_config("tiny")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("key", ["sk-0123456789-abc", "hf_0123456789abcdefXYZ", "my key"])
def test_a_key_instead_of_a_variable_name_is_redacted(key: str) -> None:
    config = load_config({"explorer": {**ROLE, "api_key_env": key, "vllm": {"port": 8001}}})
    assert config.redacted_values()["explorer.api_key_env"] == REDACTED
    with pytest.raises(ConfigError) as caught:
        server_specs(config)[0].key()
    assert key not in str(caught.value)
    named = load_config({"explorer": {**ROLE, "api_key_env": "MY_KEY"}})
    assert named.redacted_values()["explorer.api_key_env"] == "MY_KEY"
