"""The models of a config: choose an endpoint, call it, retry what may pass, count it all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from a2r._internal.logging import get_logger
from a2r._internal.reasoning_parser import ReasoningPart
from a2r._internal.urls import redact_url
from a2r.config import EMBEDDED, Config, RoleConfig
from a2r.errors import ConfigError
from a2r.inference.accounting import Ledger, request_usage, zero_usage
from a2r.inference.call_errors import (
    CallError,
    is_complete_despite,
    timeout_error,
    to_call_error,
    unreachable_error,
)
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
from a2r.inference.cancellation import CancelToken
from a2r.inference.context_window import ContextWindows, PromptSize
from a2r.inference.endpoint_api import is_listening, probe
from a2r.inference.error_details import add_endpoint_details
from a2r.inference.retry_policy import retry_policy
from a2r.inference.routing.admission import AdmissionController
from a2r.inference.routing.endpoint_group import check_reachable, display_url, endpoint_group
from a2r.inference.routing.load_balancer import (
    EndpointGroup,
    Lease,
    LoadBalancer,
    NoEndpointError,
    Placement,
)
from a2r.inference.run_tracker import RunRegistry
from a2r.inference.transport.credentials import api_key, redact_key
from a2r.inference.transport.loop_clients import ClientsByLoop, headers
from a2r.inference.transport.stream_accumulator import StreamAccumulator
from a2r.inference.types import ChatMessage, ModelReply, Request
from a2r.result import Role


class EmbeddedEngine(Protocol):
    """What serves the models of roles whose endpoint is `embedded`."""

    async def fetch(self, model: str) -> Path:
        """The model's file, downloaded first if it is missing."""

    async def base_url(self, model: str) -> str:
        """The base URL of the server for a model, started first if it is down."""

    def close(self) -> None:
        """Stop all servers."""


@dataclass(frozen=True, kw_only=True)
class InferenceClient:
    """The models of a config, callable from any event loop.

    `ledger` counts every request of its calls, cancelled ones included; `runs` holds what this
    process knows of the runs in progress.
    """

    config: Config
    engine: EmbeddedEngine
    sessions: ClientsByLoop = field(default_factory=ClientsByLoop)
    load_balancer: LoadBalancer = field(default_factory=LoadBalancer)
    admission: AdmissionController = field(default_factory=AdmissionController)
    ledger: Ledger = field(default_factory=Ledger)
    runs: RunRegistry = field(default_factory=RunRegistry)
    context_windows: ContextWindows = field(default_factory=ContextWindows)

    def role(self, name: Role) -> RoleConfig:
        """The section of a role that the config has.

        Raises:
            ConfigError: it has none.
        """
        role = self.config.role(name)
        if role is None:
            raise ConfigError(f"the config has no {name}, which this run needs")
        return role

    async def warm_up(self) -> None:
        """Fetch the model files that the embedded engine will need, and start the explorer's.

        Raises:
            ConfigError: the variable that a role's `api_key_env` names holds no key.
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
        """Ask each endpoint of a role for its models; one that answers at all is enough.

        Raises:
            UnreachableError: none of them can be reached; the message names role and endpoints.
        """
        role = self.role(name)
        if EMBEDDED not in role.endpoints:
            await check_reachable(name, role, self.sessions.current().http)

    async def prompt_size(self, name: Role, messages: Sequence[ChatMessage]) -> PromptSize:
        """How long a prompt is for a role, and how long it may be with its reply, in tokens."""
        role = self.role(name)
        return await self.context_windows.size(
            self.config, role, self.sessions.current().http, messages
        )

    async def admit(self, run_id: str, calls: int, seconds_left: float) -> None:
        """Wait until a question should begin its calls to the explorer, or its time is over."""
        role = self.config.explorer
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds_left):
                capacity = role.concurrency * len(role.endpoints)
                await self.admission.admit(run_id, calls, capacity)

    async def complete(self, request: Request, on_progress: OnProgress | None = None) -> ModelReply:
        """Make one call; faults come back as a reply, never as an exception.

        With `on_progress` the reply is told piece by piece. Transient faults are retried, on
        another endpoint where there is one. `deadline.call` ends a request, `deadline.sample` the
        call with all its waiting and retries, `request.seconds_left` in any case, `request.stop`
        when somebody uses it.
        """
        role = self.role(request.role)
        call = Call(request=request, started=time.monotonic())
        own = self.config.deadline.sample
        left = max(0.0, request.timeout)
        stop = request.cancel_token or CancelToken()
        try:
            with self.admission.call(request.affinity_key):
                async with stop.scope(left if own is None else min(own, left)):
                    await self._run_attempts(role, call, on_progress)
        except CallRejectedError as error:
            return cancelled_reply(call, error.reason, "budget")
        except CallFailedError as error:
            return failed_reply(call, error.error)
        except TimeoutError:
            if call.accumulator.finish_reason is not None:
                return finished_reply(call)
            if stop.reason is not None:
                return cancelled_reply(call, stop.reason, stop.error_type)
            whole = own is None or left <= own
            if whole and request.timeout_reason is not None:
                return cancelled_reply(call, request.timeout_reason, "budget")
            return timed_out_reply(call, question_deadline=whole)
        return finished_reply(call)

    async def _run_attempts(
        self, role: RoleConfig, call: Call, on_progress: OnProgress | None
    ) -> None:
        group = endpoint_group(role, patience=self.config.deadline.call)

        def elsewhere() -> bool:
            return len(set(call.tried_endpoints)) < len(set(group.names))

        def may_retry(error: CallFailedError) -> bool:
            if not error.error.transient:
                return False
            waits = error.free and call.waiting_seconds() < group.wait_timeout
            return waits or (not error.free and call.retries_used <= role.retries)

        # Most calls need no second attempt, and tenacity's machinery costs as much as a request.
        try:
            await self._attempt(role, group, call, on_progress)
        except CallFailedError as error:
            first: CallFailedError | None = error
        else:
            return
        async for attempt in retry_policy(may_retry=may_retry, has_untried_endpoint=elsewhere):
            with attempt:
                if first is not None:
                    failure, first = first, None
                    raise failure
                await self._attempt(role, group, call, on_progress)

    async def _attempt(
        self, role: RoleConfig, group: EndpointGroup, call: Call, on_progress: OnProgress | None
    ) -> None:
        wish = Placement(affinity=call.request.affinity_key, tried_endpoints=call.tried_endpoints)
        try:
            lease = await self.load_balancer.acquire(group, wish)
        except NoEndpointError as error:
            call.endpoint = call.endpoint or ", ".join(map(redact_url, role.endpoints))
            known = call.last_error or error.error
            raise CallFailedError(replace(known, transient=False)) from error
        call.endpoint = redact_url(display_url(lease))
        try:
            fault = await self._use_lease(lease, role, call, on_progress)
        except BaseException:
            self.load_balancer.release_unused(lease)
            raise
        if fault is not None:
            fault = replace(fault, message=redact_key(fault.message, role, lease.endpoint.name))
        self.load_balancer.release(lease, fault)
        if fault is not None:
            await self._raise_failure(lease, role, call, fault)

    async def _use_lease(
        self, lease: Lease, role: RoleConfig, call: Call, on_progress: OnProgress | None
    ) -> CallError | None:
        """Use a place; the fault of the request, if it had one."""
        if lease.is_probe and not lease.endpoint.name.startswith(EMBEDDED):
            http = self.sessions.current().http
            fault = await probe(http, lease.endpoint.name, headers(role, lease.endpoint.name))
            if fault is not None:
                # What was asked was no call: it cost nothing, and uses up no retry.
                return replace(fault, reached=False, generated=False)
            self.load_balancer.mark_recovered(lease)
        refusal = call.request.pre_send_check() if call.request.pre_send_check else None
        if refusal is not None:
            raise CallRejectedError(refusal)
        call.tried_endpoints.append(lease.endpoint.name)
        limit = asyncio.timeout(self.config.deadline.call)
        try:
            async with limit:
                return await self._send(lease, role, call, on_progress)
        except TimeoutError:
            if call.accumulator.finish_reason is not None:
                return None
            return timeout_error(f"no reply within {self.config.deadline.call:g} s")

    async def _send(
        self, lease: Lease, role: RoleConfig, call: Call, on_progress: OnProgress | None
    ) -> CallError | None:
        call.accumulator = transcript = StreamAccumulator()
        call.stream_options = lease.endpoint.stream_capabilities.options
        begun = time.monotonic()
        fault: CallError | None = None

        def on_piece(piece: ReasoningPart) -> None:
            if on_progress is not None:
                on_progress(call.progress(piece))

        base_url = lease.endpoint.name
        try:
            if base_url.startswith(EMBEDDED):
                base_url = await self.engine.base_url(role.model)
            model = self.sessions.current().chat_model(
                role, base_url, lease.endpoint.stream_capabilities, self.config.deadline.idle
            )
            await model.run(
                [dict(message) for message in call.request.messages],
                transcript,
                on_piece if on_progress else None,
                call.request_id(),
                **call.overrides(),
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a typed fault
            fault = to_call_error(error)
            if is_complete_despite(fault, transcript):
                fault = None
            elif (
                transcript.was_reset
                and not transcript.response_started
                and not await is_listening(base_url)
            ):
                # The kernel of a server that died resets what nobody had read.
                fault = unreachable_error()
        finally:
            # Also of a call that is being cancelled, what was spent by then is counted.
            self._record_usage(lease, role, call, fault, time.monotonic() - begun)
        return fault

    def _record_usage(
        self, lease: Lease, role: RoleConfig, call: Call, fault: CallError | None, seconds: float
    ) -> None:
        transcript, endpoint = call.accumulator, lease.endpoint
        if not transcript.request_sent:
            return
        usage = zero_usage(fault, transcript) if fault is not None else None
        if usage is None:
            unwatched = not role.stream and (fault is None or fault.status is None)
            pace = (endpoint.tokens_per_second or 0.0) if unwatched else None
            usage = request_usage(
                transcript, call.request, role, seconds=seconds, tokens_per_second=pace
            )
        if fault is None and transcript.finish_reason is not None:
            endpoint.record_throughput(usage.completion_tokens or 0, seconds)
        call.usage = usage if call.usage is NO_USAGE else call.usage + usage
        self.ledger.add(call.request.role, usage)
        self.runs.add_usage(call.request.affinity_key, usage)

    async def _raise_failure(
        self, lease: Lease, role: RoleConfig, call: Call, fault: CallError
    ) -> None:
        endpoint = lease.endpoint
        if not endpoint.name.startswith(EMBEDDED):
            fault = await add_endpoint_details(
                fault,
                http=self.sessions.current().http,
                url=endpoint.name,
                role=role,
                messages=call.request.messages,
            )
        simplified = fault.status in (400, 422) and endpoint.stream_capabilities.downgrade(
            fault.message, call.stream_options
        )
        again = simplified or call.reduce_max_tokens(fault, role.sampling.max_tokens)
        if again:
            fault = replace(fault, transient=True)
        free = again or fault.overloaded or (endpoint.ever_responded and not fault.reached)
        call.record_failure(fault, free=free, answered_at=endpoint.answered_at)
        get_logger().warning(
            "call failed",
            endpoint=call.endpoint,
            fault=fault.error_type,
            error=fault.message,
            attempt=len(call.tried_endpoints),
        )
        raise CallFailedError(fault, free=free)
