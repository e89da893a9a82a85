"""The FastAPI application: routes, error handlers, and the middleware around them."""

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
from a2r.interfaces.http.cors import with_cors
from a2r.interfaces.http.model_registry import ModelRegistry, ServedModel, UnknownModelError
from a2r.interfaces.http.settings import ServerSettings
from a2r.interfaces.openai_server.api_errors import (
    ApiError,
    internal_error,
    invalid_json,
    model_not_found,
)
from a2r.interfaces.openai_server.chat_completion import ChatCompletionBuilder
from a2r.interfaces.openai_server.completion_response import CompletionResponse, error_response
from a2r.interfaces.openai_server.metrics import Metrics
from a2r.interfaces.openai_server.middleware import AccessLogMiddleware, AuthMiddleware
from a2r.interfaces.openai_server.paths import correct_url
from a2r.interfaces.openai_server.readiness import Readiness, all_ok
from a2r.interfaces.openai_server.request_log import get_request_context
from a2r.interfaces.openai_server.request_models import (
    DETAILS_HEADER,
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

OFF_VALUES = ("off", "0", "false", "no")
_bearer = HTTPBearer(auto_error=False, description="An API key of the server")
EVENT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "type": "string",
            "description": "A completion chunk as JSON, an error, or at the end [DONE]",
        }
    },
}
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorReply, "description": "The request is invalid"},
    401: {"model": ErrorReply, "description": "The API key is missing or invalid"},
    404: {"model": ErrorReply, "description": "The model does not exist"},
    408: {"model": ErrorReply, "description": "The body did not arrive in time"},
    413: {"model": ErrorReply, "description": "The body is too large"},
    429: {"model": ErrorReply, "description": "Too many requests, or a budget is used up"},
    502: {"model": ErrorReply, "description": "No sample finished"},
    503: {"model": ErrorReply, "description": "No endpoint can be reached"},
    504: {"model": ErrorReply, "description": "The deadline passed"},
}


@dataclass(frozen=True, kw_only=True)
class Services:
    """The objects that the routes share; `started` is the Unix time of the server's start."""

    settings: ServerSettings
    registry: ModelRegistry
    limiter: ConcurrencyLimiter
    metrics: Metrics
    readiness: Readiness
    started: int


def create_app(
    registry: ModelRegistry, settings: ServerSettings, limiter: ConcurrencyLimiter | None = None
) -> ASGIApp:
    """The server as an ASGI application, with authentication, limits and access log.

    Args:
        registry: the served models.
        settings: the operator's settings.
        limiter: a limiter that the caller can drain on shutdown.

    Raises:
        ConfigError: the key file cannot be read.
    """
    keys = None if settings.keys is None else ApiKeyStore(settings.keys)
    if keys is not None:
        keys.load()
    limiter = limiter or ConcurrencyLimiter(capacity=settings.concurrency, queue=settings.queue)
    services = Services(
        settings=settings,
        registry=registry,
        limiter=limiter,
        metrics=Metrics(registry, limiter),
        readiness=Readiness(registry),
        started=int(time.time()),
    )
    authenticated = AuthMiddleware(app=_routes(services), settings=settings, keys=keys)
    logged = AccessLogMiddleware(app=authenticated, metrics=services.metrics)
    return with_cors(logged, settings.cors_origins)


def _routes(services: Services) -> FastAPI:
    app = FastAPI(
        title="A2R",
        version=__version__,
        summary="Two-stage reasoning with OpenAI's API: every model is a config.",
        lifespan=_lifespan(services),
        default_response_class=AsciiJSONResponse,
        redirect_slashes=False,
    )
    _add_error_handlers(app, services.registry)
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


def _add_error_handlers(app: FastAPI, registry: ModelRegistry) -> None:
    def respond(request: Request, error: ApiError) -> Response:
        return error_response(error, get_request_context(request.scope))

    @app.exception_handler(ApiError)
    async def on_api_error(request: Request, error: ApiError) -> Response:
        return respond(request, error)

    @app.exception_handler(UnknownModelError)
    async def on_unknown_model(request: Request, error: UnknownModelError) -> Response:
        return respond(request, model_not_found(error.model, registry.models))

    @app.exception_handler(Exception)
    async def on_exception(request: Request, _: Exception) -> Response:
        # Starlette raises it again after this response, and the access log middleware logs it.
        return respond(request, internal_error())

    @app.exception_handler(RequestValidationError)
    async def on_invalid_body(request: Request, error: RequestValidationError) -> Response:
        return respond(request, from_validation_errors(error.errors()))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:
            # FastAPI raises 400 only for a body that it cannot parse.
            return respond(request, invalid_json())
        message = f"{error.detail} ({request.method} {request.url.path})"
        if error.status_code == 404:
            message = f"{message}. {correct_url(str(request.base_url), request.url.path)}"
        return respond(request, ApiError(error.status_code, message, headers=error.headers))


def _add_operations(app: FastAPI, services: Services) -> None:
    @app.get("/health", tags=["operations"])
    async def health() -> Mapping[str, str]:
        """The process responds."""
        return {"status": "ok"}

    @app.get(
        "/ready",
        tags=["operations"],
        responses={503: {"description": "An endpoint of a primary config does not respond"}},
    )
    async def ready(response: Response) -> Mapping[str, Any]:
        """The endpoints of the primary configs respond."""
        findings = await services.readiness.findings()
        if not all_ok(findings):
            response.status_code = 503
        return {"status": "ready" if all_ok(findings) else "not ready", "configs": findings}

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
    def info(model: ServedModel) -> ModelInfo:
        return ModelInfo(id=model.id, created=services.started)

    @app.get(
        "/v1/models",
        tags=["models"],
        responses=_error_responses(401),
        dependencies=[Depends(_bearer)],
    )
    async def models() -> ModelList:
        """All models: each config, and each config with every other graph."""
        return ModelList(data=[info(model) for model in services.registry.models.values()])

    @app.get(
        "/v1/models/{model:path}",
        tags=["models"],
        responses=_error_responses(401, 404),
        dependencies=[Depends(_bearer)],
    )
    async def model(model: str) -> ModelInfo:
        """One model."""
        return info(services.registry.get(model))


def _add_completions(app: FastAPI, services: Services) -> None:
    @app.post(
        "/v1/chat/completions",
        tags=["chat"],
        response_model=ChatCompletion,
        responses={
            200: {
                "description": "The complete reply, or a stream of chunks",
                "content": {"text/event-stream": {"itemSchema": EVENT_SCHEMA}},
            },
            **_error_responses(*ERROR_RESPONSES),
        },
        dependencies=[Depends(_bearer)],
    )
    async def chat_completions(request: Request, body: ChatCompletionRequest) -> Response:
        """Sample, and synthesize if the samples disagree; `usage` counts all calls."""
        context = get_request_context(request.scope)
        context.stream = bool(body.stream)
        options = enforce_allowed_overrides(
            options_from_headers(request.headers, body.a2r), services.settings
        )
        name = body.model if options.config is None else options.config
        model = services.registry.get(name, options.graph)
        context.model = model.id
        run_request = resolve_request(body, options, model, services.registry, services.settings)
        await validate_overrides(run_request)
        completion = ChatCompletionBuilder(
            request=run_request,
            context=context,
            metrics=services.metrics,
            details=request.headers.get(DETAILS_HEADER, "").lower() not in OFF_VALUES,
            usage=bool(body.stream_options and body.stream_options.include_usage),
        )
        return CompletionResponse(completion, services.limiter, stream=bool(body.stream))


def _error_responses(*statuses: int | str) -> dict[int | str, dict[str, Any]]:
    # Without a documented 4XX, FastAPI would document a 422 in its own format.
    other = {"4XX": {"model": ErrorReply, "description": "Another error of the request"}}
    return {status: ERROR_RESPONSES[status] for status in statuses} | other
