"""The models of a config: choose an endpoint, call it, retry what may pass, count it all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from a2r._internal.logging import get_logger
from a2r._internal.reasoning_parser import Piece
from a2r._internal.urls import without_secrets
from a2r.config import EMBEDDED, Config, RoleConfig, RoleName
from a2r.errors import ConfigError
from a2r.inference.accounting import Ledger, spent_nothing, usage_of
from a2r.inference.call_errors import (
    CallFault,
    fault_of,
    harmless_after_finish,
    timeout_fault,
    unreachable_fault,
)
from a2r.inference.call_state import (
    Call,
    CallFailedError,
    CallRefusedError,
    OnProgress,
    cut_off,
    failed,
    finished,
    out_of_time,
)
from a2r.inference.cancellation import Stop
from a2r.inference.context_window import Contexts, PromptSize
from a2r.inference.endpoint_api import listens, probe
from a2r.inference.error_details import explained
from a2r.inference.retry_policy import retrying
from a2r.inference.routing.admission import Admission
from a2r.inference.routing.endpoint_group import address_of, group_of, reach
from a2r.inference.routing.load_balancer import Balancer, Group, Lease, NoEndpointError, Wish
from a2r.inference.run_tracker import Questions
from a2r.inference.transport.credentials import api_key, without_key
from a2r.inference.transport.loop_clients import ClientsByLoop, headers
from a2r.inference.transport.stream_accumulator import Transcript
from a2r.inference.types import ChatMessage, Reply, Request
from a2r.serving.embedded import Engine


@dataclass(frozen=True, kw_only=True)
class ModelPool:
    """The models of a config, callable from any event loop; it knows nothing of graphs.

    `spent` counts every request that any of its calls made, also of calls that were cancelled;
    `questions` what this process knows of the questions under way.
    """

    config: Config
    engine: Engine
    clients: ClientsByLoop = field(default_factory=ClientsByLoop)
    balancer: Balancer = field(default_factory=Balancer)
    admission: Admission = field(default_factory=Admission)
    spent: Ledger = field(default_factory=Ledger)
    questions: Questions = field(default_factory=Questions)
    contexts: Contexts = field(default_factory=Contexts)

    def role(self, name: RoleName) -> RoleConfig:
        """The section of a role that the config has.

        Raises:
            ConfigError: it has none.
        """
        role = self.config.role(name)
        if role is None:
            raise ConfigError(f"the config has no {name}, which this run needs")
        return role

    async def ready(self) -> None:
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
            await self.engine.address(self.config.explorer.model)

    async def probe(self, name: RoleName) -> None:
        """Ask each endpoint of a role for its models; one that answers at all is enough.

        Raises:
            UnreachableError: none of them can be reached; the message names role and endpoints.
        """
        role = self.role(name)
        if EMBEDDED not in role.endpoints:
            await reach(name, role, self.clients.current().http)

    async def prompt_size(self, name: RoleName, messages: Sequence[ChatMessage]) -> PromptSize:
        """How long a prompt is for a role, and how long it may be with its reply, in tokens."""
        role = self.role(name)
        return await self.contexts.size(self.config, role, self.clients.current().http, messages)

    async def admit(self, question: str, calls: int, seconds_left: float) -> None:
        """Wait until a question should begin its calls to the explorer, or its time is over."""
        role = self.config.explorer
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds_left):
                capacity = role.concurrency * len(role.endpoints)
                await self.admission.admit(question, calls, capacity)

    async def complete(self, request: Request, on_progress: OnProgress | None = None) -> Reply:
        """Make one call; faults come back as a reply, never as an exception.

        With `on_progress` the reply is told piece by piece. Transient faults are retried, on
        another endpoint where there is one. `deadline.call` ends a request, `deadline.sample` the
        call with all its waiting and retries, `request.seconds_left` in any case, `request.stop`
        when somebody uses it.
        """
        role = self.role(request.role)
        call = Call(request=request, started=time.monotonic())
        own = self.config.deadline.sample
        left = max(0.0, request.seconds_left)
        stop = request.stop or Stop()
        try:
            with self.admission.call(request.affinity):
                async with asyncio.timeout(left if own is None else min(own, left)), stop.within():
                    await self._attempts(role, call, on_progress)
        except CallRefusedError as error:
            return cut_off(call, error.reason, "budget")
        except CallFailedError as error:
            return failed(call, error.fault)
        except TimeoutError:
            if call.transcript.finish_reason is not None:
                return finished(call)
            if stop.reason is not None:
                return cut_off(call, stop.reason, stop.fault)
            whole = own is None or left <= own
            if whole and request.out_of_time is not None:
                return cut_off(call, request.out_of_time, "budget")
            return out_of_time(call, question=whole)
        return finished(call)

    async def _attempts(self, role: RoleConfig, call: Call, on_progress: OnProgress | None) -> None:
        group = group_of(role, patience=self.config.deadline.call)

        def elsewhere() -> bool:
            return len(set(call.tried)) < len(set(group.names))

        def may_retry(error: CallFailedError) -> bool:
            if not error.fault.transient:
                return False
            waits = error.free and call.was_refused_for() < group.patience
            return waits or (not error.free and call.paid <= role.retries)

        # Most calls need no second attempt, and tenacity's machinery costs as much as a request.
        try:
            await self._attempt(role, group, call, on_progress)
        except CallFailedError as error:
            first: CallFailedError | None = error
        else:
            return
        async for attempt in retrying(may_retry=may_retry, elsewhere=elsewhere):
            with attempt:
                if first is not None:
                    failure, first = first, None
                    raise failure
                await self._attempt(role, group, call, on_progress)

    async def _attempt(
        self, role: RoleConfig, group: Group, call: Call, on_progress: OnProgress | None
    ) -> None:
        wish = Wish(affinity=call.request.affinity, tried=call.tried)
        try:
            lease = await self.balancer.acquire(group, wish)
        except NoEndpointError as error:
            call.endpoint = call.endpoint or ", ".join(map(without_secrets, role.endpoints))
            known = call.last_fault or error.fault
            raise CallFailedError(replace(known, transient=False)) from error
        call.endpoint = without_secrets(address_of(lease))
        try:
            fault = await self._on_lease(lease, role, call, on_progress)
        except BaseException:
            self.balancer.abandon(lease)
            raise
        if fault is not None:
            fault = replace(fault, message=without_key(fault.message, role, lease.endpoint.name))
        self.balancer.release(lease, fault)
        if fault is not None:
            await self._fail(lease, role, call, fault)

    async def _on_lease(
        self, lease: Lease, role: RoleConfig, call: Call, on_progress: OnProgress | None
    ) -> CallFault | None:
        """Use a place; the fault of the request, if it had one."""
        if lease.trial and not lease.endpoint.name.startswith(EMBEDDED):
            http = self.clients.current().http
            fault = await probe(http, lease.endpoint.name, headers(role, lease.endpoint.name))
            if fault is not None:
                # What was asked was no call: it cost nothing, and uses up no retry.
                return replace(fault, reached=False, generated=False)
            self.balancer.found_up(lease)
        refusal = call.request.refusal() if call.request.refusal else None
        if refusal is not None:
            raise CallRefusedError(refusal)
        call.tried.append(lease.endpoint.name)
        limit = asyncio.timeout(self.config.deadline.call)
        try:
            async with limit:
                return await self._send(lease, role, call, on_progress)
        except TimeoutError:
            if call.transcript.finish_reason is not None:
                return None
            return timeout_fault(f"no reply within {self.config.deadline.call:g} s")

    async def _send(
        self, lease: Lease, role: RoleConfig, call: Call, on_progress: OnProgress | None
    ) -> CallFault | None:
        call.transcript = transcript = Transcript()
        call.asked = lease.endpoint.dialect.options
        begun = time.monotonic()
        fault: CallFault | None = None

        def on_piece(piece: Piece) -> None:
            if on_progress is not None:
                on_progress(call.progress(piece))

        base_url = lease.endpoint.name
        try:
            if base_url.startswith(EMBEDDED):
                base_url = await self.engine.address(role.model)
            model = self.clients.current().chat_model(
                role, base_url, lease.endpoint.dialect, self.config.deadline.silence
            )
            model = model.writing(transcript, on_piece if on_progress else None, call.request_id())
            messages = [dict(message) for message in call.request.messages]
            await model.ask(messages, **call.own_settings())
        except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a typed fault
            fault = fault_of(error)
            if harmless_after_finish(fault, transcript):
                fault = None
            elif transcript.was_reset and not transcript.began and not await listens(base_url):
                # The kernel of a server that died resets what nobody had read.
                fault = unreachable_fault()
        finally:
            # Also of a call that is being cancelled, what was spent by then is counted.
            self._count(lease, role, call, fault, time.monotonic() - begun)
        return fault

    def _count(
        self, lease: Lease, role: RoleConfig, call: Call, fault: CallFault | None, seconds: float
    ) -> None:
        transcript, endpoint = call.transcript, lease.endpoint
        if not transcript.sent:
            return
        usage = spent_nothing(fault, transcript) if fault is not None else None
        if usage is None:
            unwatched = not role.stream and (fault is None or fault.status is None)
            pace = (endpoint.tokens_per_second or 0.0) if unwatched else None
            usage = usage_of(
                transcript, call.request, role, seconds=seconds, tokens_per_second=pace
            )
        if fault is None and transcript.finish_reason is not None:
            endpoint.wrote(usage.completion_tokens or 0, seconds)
        call.usage += usage
        self.spent.add(call.request.role, usage)
        self.questions.spend(call.request.affinity, usage)

    async def _fail(self, lease: Lease, role: RoleConfig, call: Call, fault: CallFault) -> None:
        endpoint = lease.endpoint
        if not endpoint.name.startswith(EMBEDDED):
            fault = await explained(
                fault,
                http=self.clients.current().http,
                url=endpoint.name,
                role=role,
                messages=call.request.messages,
            )
        simplified = fault.status in (400, 422) and endpoint.dialect.simplified(
            fault.message, call.asked
        )
        again = simplified or call.shorten(fault, role.sampling.max_tokens)
        if again:
            fault = replace(fault, transient=True)
        free = again or fault.overloaded or (endpoint.seen and not fault.reached)
        call.failed_with(fault, free=free, answered_at=endpoint.answered_at)
        get_logger().warning(
            "call failed",
            endpoint=call.endpoint,
            fault=fault.fault,
            error=fault.message,
            attempt=len(call.tried),
        )
        raise CallFailedError(fault, free=free)
