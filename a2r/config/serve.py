"""What a role's `serve` section may say: the vLLM servers that `a2r up` starts for it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ServeConfig(BaseModel):
    """The servers of one role."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    port: int

    @property
    def endpoints(self) -> list[str]:
        """The base URL of each replica."""
        return [f"http://127.0.0.1:{self.port}/v1"]
