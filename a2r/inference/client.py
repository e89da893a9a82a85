"""The client of a config's models: choose an endpoint, send, retry, and record usage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from a2r._internal.logging import get_logger
from a2r._internal.reasoning import ReasoningPart
from a2r._internal.urls import redact_url
from a2r.config import EMBEDDED, Config, RoleConfig
from a2r.errors import ConfigError
from a2r.inference.call_errors import (
    CallError,
    is_complete_despite,
    timeout_error,
    to_call_error,
    unreachable_error,
)
from a2r.inference.call_retries import retry_policy
from a2r.inference.call_state import (
    NO_USAGE,
    Call,
    CallFailedError,
    CallRejectedError,
    OnProgress,
    cancelled_reply,
    failed_reply,
    finished_reply,
    timed_out_reply,
)
from a2r.inference.cancel_token import CancelToken
from a2r.inference.context_window import ContextWindows, PromptSize
from a2r.inference.continuation import can_continue, stop_continuing
from a2r.inference.endpoint_api import is_listening, probe
from a2r.inference.error_details import add_endpoint_details
from a2r.inference.prompt_opening import find_opening, learn_opening
from a2r.inference.reply_record import ReplyRecord
from a2r.inference.routing.admission import AdmissionController
from a2r.inference.routing.fair_queue import Lease, Placement
from a2r.inference.routing.load_balancer import LoadBalancer, NoEndpointError
from a2r.inference.routing.role_endpoints import (
    EndpointGroup,
    check_reachable,
    display_url,
    endpoint_group,
)
from a2r.inference.run_tracker import RunRegistry
from a2r.inference.transport.credentials import api_key, redact_request
from a2r.inference.transport.loop_clients import ClientsByLoop, headers
from a2r.inference.transport.stream_accumulator import StreamAccumulator
from a2r.inference.types import ChatMessage, ModelReply, Request
from a2r.inference.usage_and_cost import Ledger, prompt_correction, request_usage, zero_usage
from a2r.result import Role
from a2r.usage import Usage


class EmbeddedEngine(Protocol):
    """The interface of the engine that serves roles whose endpoint is `embedded`."""

    async def fetch(self, model: str) -> Path:
        """Return the model's file; download it first if it is missing."""

    async def base_url(self, model: str) -> str:
        """Return the base URL of the server for a model; start it first if it is down."""

    def close(self) -> None:
        """Stop all servers."""


@dataclass(frozen=True, kw_only=True)
class InferenceClient:
    """The models of a config, callable from any event loop.

    `ledger` counts every request of its calls, cancelled ones included; `runs` holds what this
    process knows of the runs in progress; `replies` records the replies of a run, if they are.
    """

    config: Config
    engine: EmbeddedEngine
    sessions: ClientsByLoop = field(default_factory=ClientsByLoop)
    load_balancer: LoadBalancer = field(default_factory=LoadBalancer)
    admission: AdmissionController = field(default_factory=AdmissionController)
    ledger: Ledger = field(default_factory=Ledger)
    runs: RunRegistry = field(default_factory=RunRegistry)
    context_windows: ContextWindows = field(default_factory=ContextWindows)
    replies: ReplyRecord | None = None

    def role(self, name: Role) -> RoleConfig:
        """Return the config section of a role.

        Raises:
            ConfigError: the config has no such role.
        """
        role = self.config.role(name)
        if role is None:
            raise ConfigError(f"the config has no section {name!r}, which this run requires")
        return role

    def with_replies(self, replies: ReplyRecord | None) -> InferenceClient:
        """Return this client with the record of a run's replies; without one, itself."""
        return self if replies is self.replies else replace(self, replies=replies)

    async def warm_up(self) -> None:
        """Check the API keys, fetch the embedded engine's model files, and start the explorer's.

        Raises:
            ConfigError: the variable in a role's `api_key_env` is not set.
            ModelFileError: a file could not be fetched or verified.
            EngineError: the engine could not serve the explorer's model.
        """
        roles = [role for role in (self.config.explorer, self.config.synthesizer) if role]
        for role in roles:
            api_key(role)
        embedded = [role.model for role in roles if EMBEDDED in role.endpoints]
        for model in dict.fromkeys(embedded):
            await self.engine.fetch(model)
        if EMBEDDED in self.config.explorer.endpoints:
            await self.engine.base_url(self.config.explorer.model)

    async def probe(self, name: Role) -> None:
        """Probe each endpoint of a role; one that responds is enough.

        Raises:
            UnreachableError: no endpoint responds; the message names the role and the endpoints.
        """
        role = self.role(name)
        if EMBEDDED not in role.endpoints:
            await check_reachable(name, role, self.sessions.current().http)

    async def prompt_size(self, name: Role, messages: Sequence[ChatMessage]) -> PromptSize:
        """Return the size of a prompt for a role and of its context, in tokens."""
        role = self.role(name)
        return await self.context_windows.size(
            self.config, role, self.sessions.current().http, messages
        )

    async def admit(self, run_id: str, calls: int, seconds_left: float) -> None:
        """Wait until a run may start its calls to the explorer, or its time is over."""
        role = self.config.explorer
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds_left):
                capacity = role.concurrency * len(role.endpoints)
                await self.admission.admit(run_id, calls, capacity)

    def _admitted(self, request: Request) -> AbstractContextManager[None]:
        """Count a call of the explorer; the calls of other roles hold up no run."""
        if request.role != "explorer":
            return nullcontext()
        return self.admission.call(request.affinity_key)

    async def complete(self, request: Request, on_progress: OnProgress | None = None) -> ModelReply:
        """Make one call; errors are part of the reply and never raised.

        `on_progress` is called with each delta of the reply. Transient errors are retried, on
        another endpoint if there is one. `deadline.call` limits one HTTP request,
        `deadline.sample` the call with its waits and retries; `request.timeout` limits the call,
        too, and `request.cancel_token` cancels it.
        """
        if self.replies is None or request.call is None:
            return await self._complete(request, on_progress)
        known = await self.replies.find(request)
        if known is not None:
            self.runs.add_usage(request.affinity_key, known.usage)
            return known
        reply = await self._complete(request, on_progress)
        await self.replies.on_reply(request, reply)
        return reply

    async def _complete(self, request: Request, on_progress: OnProgress | None) -> ModelReply:
        role = self.role(request.role)
        if request.max_tokens is not None:
            role = role.with_sampling(role.sampling.with_max_tokens(request.max_tokens))
        call = Call(request=request, started=time.monotonic())
        sample_deadline = self.config.deadline.sample
        if sample_deadline is not None:
            sample_deadline = max(0.0, sample_deadline - request.elapsed)
        timeout = max(0.0, request.timeout)
        token = request.cancel_token or CancelToken()
        if (reason := token.reason) is not None:
            return cancelled_reply(call, reason, token.error_type)
        try:
            with self._admitted(request):
                seconds = timeout if sample_deadline is None else min(sample_deadline, timeout)
                async with token.scope(seconds):
                    await self._run_attempts(role, call, on_progress)
        except CallRejectedError as error:
            return cancelled_reply(call, error.reason, "budget")
        except CallFailedError as error:
            return failed_reply(call, error.error)
        except TimeoutError:
            if call.accumulator.is_complete:
                return finished_reply(call, role)
            if token.reason is not None:
                return cancelled_reply(call, token.reason, token.error_type)
            by_request = sample_deadline is None or timeout <= sample_deadline
            if by_request and request.timeout_reason is not None:
                return cancelled_reply(call, request.timeout_reason, "budget")
            return timed_out_reply(call, question_deadline=by_request)
        return finished_reply(call, role)

    async def _run_attempts(
        self, role: RoleConfig, call: Call, on_progress: OnProgress | None
    ) -> None:
        group = endpoint_group(call.request.role, role, wait_timeout=self.config.deadline.call)

        def has_untried_endpoint() -> bool:
            return len(set(call.tried_endpoints)) < len(set(group.names))

        def may_retry(error: CallFailedError) -> bool:
            if not error.error.transient:
                return False
            may_wait = error.free and call.waiting_seconds() < group.wait_timeout
            return may_wait or (not error.free and call.retries_used <= role.retries)

        # Most calls need one attempt, and tenacity takes as much CPU as a request.
        try:
            await self._attempt(role, group, call, on_progress)
        except CallFailedError as error:
            first_failure: CallFailedError | None = error
        else:
            return
        async for attempt in retry_policy(
            may_retry=may_retry, has_untried_endpoint=has_untried_endpoint
        ):
            with attempt:
                if first_failure is not None:
                    failure, first_failure = first_failure, None
                    raise failure
                await self._attempt(role, group, call, on_progress)

    async def _attempt(
        self, role: RoleConfig, group: EndpointGroup, call: Call, on_progress: OnProgress | None
    ) -> None:
        placement = Placement(
            affinity=call.request.affinity_key,
            tried_endpoints=call.tried_endpoints,
            client=call.request.client,
            origin=call.request.origin,
        )
        try:
            lease = await self.load_balancer.acquire(group, placement)
        except NoEndpointError as error:
            call.endpoint = call.endpoint or ", ".join(map(redact_url, role.endpoints))
            last_error = call.last_error or error.error
            raise CallFailedError(replace(last_error, transient=False)) from error
        call.endpoint = redact_url(display_url(lease.endpoint.name))
        try:
            call_error = await self._use_lease(lease, role, call, on_progress)
        except BaseException:
            self.load_balancer.release_unused(lease)
            raise
        if call_error is not None:
            message = redact_request(call_error.message, role, lease.endpoint.name)
            call_error = replace(call_error, message=message)
        self.load_balancer.release(lease, call_error)
        if call_error is not None:
            await self._raise_failure(lease, role, call, call_error)

    async def _use_lease(
        self, lease: Lease, role: RoleConfig, call: Call, on_progress: OnProgress | None
    ) -> CallError | None:
        """Send a request under a lease; return its error, if it failed."""
        if lease.is_probe and not lease.endpoint.name.startswith(EMBEDDED):
            http = self.sessions.current().http
            error = await probe(http, lease.endpoint.name, headers(role, lease.endpoint.name))
            if error is not None:
                # A probe is not a request of the call: it has no usage and uses no retry.
                return replace(error, reached=False, generated=False)
            self.load_balancer.mark_recovered(lease)
        reason = call.request.pre_send_check() if call.request.pre_send_check else None
        if reason is not None:
            raise CallRejectedError(reason)
        call.tried_endpoints.append(lease.endpoint.name)
        try:
            async with asyncio.timeout(self.config.deadline.call):
                return await self._send(lease, role, call, on_progress)
        except TimeoutError:
            if call.accumulator.is_complete:
                return None
            return timeout_error(f"no response within {self.config.deadline.call:g} s")

    async def _send(
        self, lease: Lease, role: RoleConfig, call: Call, on_progress: OnProgress | None
    ) -> CallError | None:
        call.accumulator = accumulator = StreamAccumulator()
        if lease.is_probe:
            accumulator.on_first_choice = lambda: self.load_balancer.mark_streaming(lease)
        call.stream_options = lease.endpoint.stream_capabilities.options
        started = time.monotonic()
        call_error: CallError | None = None

        def on_delta(delta: ReasoningPart) -> None:
            if on_progress is not None:
                on_progress(call.progress(delta))

        base_url = lease.endpoint.name
        try:
            if base_url.startswith(EMBEDDED):
                base_url = await self.engine.base_url(role.model)
            model = self.sessions.current().chat_model(
                role, base_url, lease.endpoint.stream_capabilities, self.config.deadline.idle
            )
            call.continues = call.request.continuation is not None and await can_continue(
                lease.endpoint, role, self.sessions.current().http
            )
            if self.replies is not None and call.request.call is not None:
                accumulator.on_sent = partial(self.replies.on_send, call.request, accumulator)
            if on_progress is not None and call.request.role == "synthesizer":
                # Its text is shown as it arrives.
                accumulator.opened = await find_opening(
                    lease.endpoint, role, self.sessions.current().http, call.messages()
                )
            await model.run(
                [dict(message) for message in call.messages()],
                accumulator,
                on_delta if on_progress else None,
                call.request_id(),
                **call.overrides(),
            )
            if on_progress is not None:
                learn_opening(lease.endpoint, role, accumulator)
        except Exception as error:  # noqa: BLE001 - every exception becomes a CallError
            call_error = to_call_error(
                error, partial(redact_request, role=role, url=lease.endpoint.name)
            )
            if is_complete_despite(call_error, accumulator):
                call_error = None
            elif (
                accumulator.was_reset
                and not accumulator.response_started
                and not await is_listening(base_url)
            ):
                # If a server dies, its kernel resets the connections with unread requests.
                call_error = unreachable_error()
        finally:
            # The usage of a cancelled call is recorded, too.
            self._record_usage(lease, role, call, call_error, time.monotonic() - started)
        return call_error

    def _record_usage(
        self, lease: Lease, role: RoleConfig, call: Call, error: CallError | None, seconds: float
    ) -> None:
        usage = NO_USAGE
        if call.accumulator.request_sent:
            usage = self._request_usage(lease, role, call, error, seconds)
            call.usage = usage if call.usage is NO_USAGE else call.usage + usage
            self.ledger.add(call.request.role, usage)
            self.runs.add_usage(call.request.affinity_key, usage)
        if self.replies is not None and call.request.call is not None:
            self.replies.on_usage(call.request, usage)

    def _request_usage(
        self, lease: Lease, role: RoleConfig, call: Call, error: CallError | None, seconds: float
    ) -> Usage:
        """Return the usage of a request that was sent; update the endpoint's throughput."""
        accumulator, endpoint = call.accumulator, lease.endpoint
        usage = zero_usage(error, accumulator) if error is not None else None
        if usage is None:
            unstreamed = not role.stream and (error is None or error.status is None)
            throughput = (endpoint.tokens_per_second or 0.0) if unstreamed else None
            known_prompt = self.runs.prompt_tokens(call.request, accumulator.prompt_tokens)
            usage = request_usage(
                accumulator,
                call.request,
                role,
                seconds=seconds,
                tokens_per_second=throughput,
                known_prompt=known_prompt,
            )
            if known_prompt is None:
                call.prompt_estimates.append(usage.prompt_tokens or 0)
            elif call.prompt_estimates:
                usage += prompt_correction(call.prompt_estimates, known_prompt, role)
                call.prompt_estimates.clear()
        if error is None and accumulator.is_complete:
            endpoint.record_throughput(usage.completion_tokens or 0, seconds)
        return usage

    async def _raise_failure(
        self, lease: Lease, role: RoleConfig, call: Call, error: CallError
    ) -> None:
        endpoint = lease.endpoint
        if not endpoint.name.startswith(EMBEDDED):
            error = await add_endpoint_details(
                error,
                http=self.sessions.current().http,
                url=endpoint.name,
                role=role,
                messages=call.messages(),
            )
        downgraded = error.status in (400, 422) and endpoint.stream_capabilities.downgrade(
            error.message, call.stream_options
        )
        downgraded = downgraded or stop_continuing(call, endpoint, error)
        adjusted = downgraded or call.reduce_max_tokens(error, role.sampling.max_tokens)
        if adjusted:
            error = replace(error, transient=True)
        free = adjusted or error.overloaded or (endpoint.ever_responded and not error.reached)
        call.record_failure(error, free=free, answered_at=endpoint.answered_at)
        get_logger().warning(
            "call failed",
            endpoint=call.endpoint,
            error_type=error.error_type,
            error=error.message,
            attempt=len(call.tried_endpoints),
        )
        raise CallFailedError(error, free=free)
