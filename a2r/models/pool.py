"""A pool of endpoints for each role: choose one, call it, retry what may pass, count it all."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import openai
import tenacity

from a2r.config import EMBEDDED, Config, RoleConfig, RoleName
from a2r.engine import Engine
from a2r.errors import UnreachableError
from a2r.logs import get_logger
from a2r.models.call import (
    Call,
    CallFailedError,
    OnProgress,
    failed,
    finished,
    tell,
    timed_out,
)
from a2r.models.clients import ClientsByLoop, LoopClients
from a2r.models.faults import BrokenStreamError, fault_of
from a2r.models.keys import api_key, without_key
from a2r.models.reply import Reply, Request, Transcript, usage_of, usage_of_fault
from a2r.models.urls import without_secrets

PROBE_SECONDS = 5.0
BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=8)


@dataclass(frozen=True, kw_only=True)
class ModelPool:
    """The models of a config, callable from any event loop; it knows nothing of graphs."""

    config: Config
    engine: Engine
    clients: ClientsByLoop = field(default_factory=ClientsByLoop)

    def role(self, name: RoleName) -> RoleConfig:
        """The section of a role that the config has."""
        role = self.config.role(name)
        if role is None:
            raise ValueError(f"the config has no {name}")
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
        addresses = [endpoint for endpoint in role.endpoints if endpoint != EMBEDDED]
        if len(addresses) < len(role.endpoints):
            return
        clients = self.clients.current()
        faults = await asyncio.gather(*(_probe(clients, role, url) for url in addresses))
        if all(faults):
            tried = "; ".join(
                f"{without_secrets(url)}: {fault}"
                for url, fault in zip(addresses, faults, strict=True)
            )
            raise UnreachableError(
                f"{name}: no endpoint can be reached ({tried}); is the server up?"
            )

    async def complete(self, request: Request, on_progress: OnProgress | None = None) -> Reply:
        """Make one call; faults come back as a reply, never as an exception.

        With `on_progress` the reply is streamed, and told piece by piece. Transient faults are
        retried, on another endpoint where there is one, within `deadline.call` (which begins when
        the call gets a place) and `request.seconds_left`.
        """
        role = self.role(request.role)
        call = Call(request=request, started=time.monotonic())
        question = asyncio.timeout(max(0.0, request.seconds_left))
        own = asyncio.timeout(None)
        try:
            async with question, own:
                await self._attempts(role, call, own, on_progress)
        except CallFailedError as error:
            return failed(call, error.fault)
        except TimeoutError:
            if call.under_way:
                call.usage += usage_of(call.transcript, request, role)
                if call.transcript.finish_reason is not None:
                    # The reply was whole; only the stream's end was still waited for.
                    return finished(call)
            return timed_out(call, question.expired(), self.config.deadline.call)
        return finished(call)

    async def _attempts(
        self, role: RoleConfig, call: Call, own: asyncio.Timeout, on_progress: OnProgress | None
    ) -> None:
        def elsewhere() -> bool:
            return len(set(call.tried)) < len(set(role.endpoints))

        def may_pass(error: BaseException) -> bool:
            if not isinstance(error, CallFailedError) or not error.fault.transient:
                return False
            # Waiting beyond the deadline would only hide what the server said.
            told = error.fault.retry_after or 0.0
            return elsewhere() or told < _seconds_left(call, own)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            told = error.fault.retry_after if isinstance(error, CallFailedError) else None
            return BACKOFF(state) if told is None or elsewhere() else told

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(role.retries + 1),
            retry=tenacity.retry_if_exception(may_pass),
            wait=wait,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                await self._attempt(role, call, own, on_progress)

    async def _attempt(
        self, role: RoleConfig, call: Call, own: asyncio.Timeout, on_progress: OnProgress | None
    ) -> None:
        clients = self.clients.current()
        endpoint = _least_outstanding(clients, role, call.tried)
        call.tried.append(endpoint)
        call.endpoint = without_secrets(endpoint)
        place = clients.place(role.model, endpoint, role.concurrency)
        place.outstanding += 1
        try:
            async with place.cap:
                if own.when() is None:
                    own.reschedule(asyncio.get_running_loop().time() + self.config.deadline.call)
                await self._send(clients, role, endpoint, call, on_progress)
        finally:
            place.outstanding -= 1

    async def _send(
        self,
        clients: LoopClients,
        role: RoleConfig,
        endpoint: str,
        call: Call,
        on_progress: OnProgress | None,
    ) -> None:
        call.transcript = Transcript()
        try:
            base_url = await self.engine.address(role.model) if endpoint == EMBEDDED else endpoint
            model = await clients.chat_model(role, base_url)
            call.under_way = True
            seed: dict[str, Any] = {} if call.request.seed is None else {"seed": call.request.seed}
            messages = [dict(message) for message in call.request.messages]
            if on_progress is None:
                call.transcript.add(await model.ainvoke(messages, **seed))
            else:
                async for chunk in model.astream(messages, **seed):
                    tell(call, call.transcript.add(chunk), on_progress)
                if call.transcript.finish_reason is None:
                    raise BrokenStreamError
        except Exception as error:
            call.under_way = False
            fault = fault_of(error)
            fault = replace(fault, message=without_key(fault.message, role))
            call.usage += usage_of_fault(fault, call.transcript, call.request, role)
            get_logger().warning(
                "call failed",
                endpoint=call.endpoint,
                fault=fault.fault,
                error=fault.message,
                attempt=len(call.tried),
            )
            raise CallFailedError(fault) from error
        # A cancelled call comes to neither branch: its request stays marked as under way.
        call.under_way = False
        call.usage += usage_of(call.transcript, call.request, role)


async def _probe(clients: LoopClients, role: RoleConfig, url: str) -> str | None:
    """`None` if the endpoint answers anything, else what is wrong."""
    client = await clients.openai_client(role, url)
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await client.models.list()
    except TimeoutError:
        return f"no answer within {PROBE_SECONDS:g} s"
    except openai.APIConnectionError:
        return "cannot connect"
    except openai.APIError:
        return None
    except (ValueError, httpx2.InvalidURL) as error:
        return f"cannot be asked: {error}"
    return None


def _least_outstanding(clients: LoopClients, role: RoleConfig, tried: list[str]) -> str:
    def load(endpoint: str) -> tuple[int, int]:
        place = clients.place(role.model, endpoint, role.concurrency)
        return tried.count(endpoint), place.outstanding

    return min(role.endpoints, key=load)


def _seconds_left(call: Call, own: asyncio.Timeout) -> float:
    left = call.request.seconds_left - call.seconds()
    deadline = own.when()
    return left if deadline is None else min(left, deadline - asyncio.get_running_loop().time())
