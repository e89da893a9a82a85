"""The application: its routes, and what they need."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from a2r._version import __version__
from a2r.interfaces.http.api_keys import ApiKeyStore
from a2r.interfaces.http.model_registry import ModelRegistry, ServedModel
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.api_errors import ApiError, internal, unknown_model, unreadable
from a2r.interfaces.openai_server.chat_completion import ChatCompletionBuilder
from a2r.interfaces.openai_server.completion_response import CompletionResponse, error_response
from a2r.interfaces.openai_server.metrics import Metrics
from a2r.interfaces.openai_server.middleware import AccessLogMiddleware, AuthMiddleware
from a2r.interfaces.openai_server.readiness import Readiness, all_ok
from a2r.interfaces.openai_server.request_log import get_request_context
from a2r.interfaces.openai_server.request_models import (
    DETAILS,
    ChatCompletionRequest,
    options_from_headers,
)
from a2r.interfaces.openai_server.request_parsing import (
    enforce_allowed_overrides,
    resolve_request,
    validate_overrides,
)
from a2r.interfaces.openai_server.request_queue import ConcurrencyLimiter
from a2r.interfaces.openai_server.response_models import (
    AsciiJSONResponse,
    ChatCompletion,
    ErrorReply,
    ModelInfo,
    ModelList,
)
from a2r.interfaces.openai_server.validation_errors import from_validation_errors

OFF = ("off", "0", "false", "no")
_bearer = HTTPBearer(auto_error=False, description="An API key of the server")
EVENT: Mapping[str, Any] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "type": "string",
            "description": "A chunk of the completion as JSON, an error, or at the end [DONE]",
        }
    },
}
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorReply, "description": "The request does not fit"},
    401: {"model": ErrorReply, "description": "No API key, or a wrong one"},
    404: {"model": ErrorReply, "description": "No such model"},
    408: {"model": ErrorReply, "description": "The body did not arrive in time"},
    413: {"model": ErrorReply, "description": "The body is too large"},
    429: {"model": ErrorReply, "description": "Too many requests, or a budget is used up"},
    502: {"model": ErrorReply, "description": "No sample gave an answer"},
    503: {"model": ErrorReply, "description": "No endpoint can be reached"},
    504: {"model": ErrorReply, "description": "The deadline passed"},
}


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the routes share."""

    settings: ServerSettings
    registry: ModelRegistry
    limiter: ConcurrencyLimiter
    metrics: Metrics
    readiness: Readiness
    started: int


def create_app(
    offer: ModelRegistry, settings: ServerSettings, places: ConcurrencyLimiter | None = None
) -> ASGIApp:
    """The server as an ASGI application, with its keys, limits and logs around it.

    Whoever gives it its `places` can end what runs.

    Raises:
        ConfigError: the file of the keys cannot be read.
    """
    keys = None if settings.keys is None else ApiKeyStore(settings.keys)
    if keys is not None:
        keys.load()
    places = places or ConcurrencyLimiter(capacity=settings.concurrency, queue=settings.queue)
    services = Services(
        settings=settings,
        registry=offer,
        limiter=places,
        metrics=Metrics(offer, places),
        readiness=Readiness(offer),
        started=int(time.time()),
    )
    guarded = AuthMiddleware(app=_routes(services), settings=settings, keys=keys)
    return AccessLogMiddleware(app=guarded, metrics=services.metrics)


def _routes(services: Services) -> FastAPI:
    app = FastAPI(
        title="A2R",
        version=__version__,
        summary="Two-stage reasoning behind OpenAI's API: every model is a config.",
        lifespan=_lifespan(services),
        default_response_class=AsciiJSONResponse,
        redirect_slashes=False,
    )
    _add_errors(app)
    _add_operations(app, services)
    _add_models(app, services)
    _add_completions(app, services)
    return app


def _lifespan(services: Services) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await services.registry.close()

    return lifespan


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ApiError)
    async def of_api(request: Request, error: ApiError) -> Response:
        return error_response(error, get_request_context(request.scope))

    @app.exception_handler(Exception)
    async def of_fault(request: Request, _: Exception) -> Response:
        # It is raised once more after this, and logged.
        return error_response(internal(), get_request_context(request.scope))

    @app.exception_handler(RequestValidationError)
    async def of_body(request: Request, error: RequestValidationError) -> Response:
        return error_response(
            from_validation_errors(error.errors()), get_request_context(request.scope)
        )

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:
            # All that FastAPI itself says with it: the body cannot be read.
            return error_response(unreadable(), get_request_context(request.scope))
        message = f"{error.detail} ({request.method} {request.url.path})"
        found = ApiError(error.status_code, message, headers=error.headers)
        return error_response(found, get_request_context(request.scope))


def _add_operations(app: FastAPI, services: Services) -> None:
    @app.get("/health", tags=["operations"])
    async def health() -> Mapping[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get(
        "/ready",
        tags=["operations"],
        responses={503: {"description": "An endpoint of a main config does not answer"}},
    )
    async def ready(response: Response) -> Mapping[str, Any]:
        """The endpoints of the main configs answer."""
        found = await services.readiness.findings()
        if not all_ok(found):
            response.status_code = 503
        return {"status": "ready" if all_ok(found) else "not ready", "configs": found}

    @app.get(
        "/metrics",
        tags=["operations"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        """Metrics for Prometheus."""
        text = generate_latest(services.metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)


def _add_models(app: FastAPI, services: Services) -> None:
    def told(model: ServedModel) -> ModelInfo:
        return ModelInfo(id=model.id, created=services.started)

    @app.get("/v1/models", tags=["models"], responses=_errors(401), dependencies=[Depends(_bearer)])
    async def models() -> ModelList:
        """All models: each config, and each config with another graph."""
        return ModelList(data=[told(model) for model in services.registry.models.values()])

    @app.get(
        "/v1/models/{model:path}",
        tags=["models"],
        responses=_errors(401, 404),
        dependencies=[Depends(_bearer)],
    )
    async def model(model: str) -> ModelInfo:
        """One model."""
        if model not in services.registry.models:
            raise unknown_model(model)
        return told(services.registry.models[model])


def _add_completions(app: FastAPI, services: Services) -> None:
    @app.post(
        "/v1/chat/completions",
        tags=["chat"],
        response_model=ChatCompletion,
        responses={
            200: {
                "description": "The whole reply, or a stream of chunks",
                "content": {"text/event-stream": {"itemSchema": EVENT}},
            },
            **_errors(*ERRORS),
        },
        dependencies=[Depends(_bearer)],
    )
    async def chat_completions(request: Request, body: ChatCompletionRequest) -> Response:
        """Sample, and synthesize where the samples disagree; `usage` counts all of it."""
        note = get_request_context(request.scope)
        note.stream = bool(body.stream)
        own = enforce_allowed_overrides(
            options_from_headers(request.headers, body.a2r), services.settings
        )
        model = services.registry.get(body.model if own.config is None else own.config, own.graph)
        note.model = model.id
        found = resolve_request(body, own, model, services.registry, services.settings)
        await validate_overrides(found)
        completion = ChatCompletionBuilder(
            request=found,
            context=note,
            metrics=services.metrics,
            details=request.headers.get(DETAILS, "").lower() not in OFF,
            usage=bool(body.stream_options and body.stream_options.include_usage),
        )
        return CompletionResponse(
            completion,
            services.limiter,
            stream=bool(body.stream),
        )


def _errors(*statuses: int | str) -> dict[int | str, dict[str, Any]]:
    # FastAPI adds a 422 of its own shape where none of these is documented.
    other = {"4XX": {"model": ErrorReply, "description": "Another fault of the request"}}
    return {status: ERRORS[status] for status in statuses} | other
