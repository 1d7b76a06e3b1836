"""What an operator may set, in variables `CLASSIFIER_*`; nothing is read before `read_settings` is called."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.cpus import available_cpus
from runtime.errors import SettingsError, nearest

PREFIX = "CLASSIFIER_"
_SECRET = {"key"}
_NO_MATCH = "string_pattern_mismatch"
_FORMS = {"key_file": "not an absolute path"}
_NAME = r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?"


class Settings(BaseSettings):
    """Operator settings of the service; field `max_texts` is the variable `CLASSIFIER_MAX_TEXTS`.

    The descriptions below are the documentation: the tables in README and deploy are checked against them.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    model: str = Field(
        default="bert-classifier:latest",
        pattern=f"^{_NAME}(:{_NAME})?$",
        description="Tag of the model in the BentoML model store: name or name:version, in lower case.",
    )
    workers: int = Field(
        default=1, ge=1, le=256, description="Processes, each with its own copy of the model."
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Threads of one forward pass; by default the CPUs that affinity and cgroup quota allow, "
        "divided by the workers.",
    )
    device: str = Field(
        default="cpu",
        pattern=r"^(cpu|auto|cuda(:\d+)?(,cuda:\d+)*)$",
        description="Where the engine computes: cpu, cuda, cuda:1 or auto; from cuda:0,cuda:1 the workers "
        "take in turn.",
    )
    timeout_seconds: float = Field(
        default=30, ge=0.1, le=3600, description="A request that takes longer is answered 504."
    )
    max_concurrency: int = Field(
        default=256, ge=1, description="Requests in flight in all workers together; one more is answered 429."
    )
    max_batch_size: int = Field(
        default=64,
        ge=2,
        le=4096,
        description="Most texts of several requests that BentoML's own dispatcher classifies together; "
        "the other one counts tokens.",
    )
    dispatcher: Literal["tokens", "bentoml"] = Field(
        default="tokens",
        description="Who makes batches: tokens, which counts tokens and shares fairly, or bentoml.",
    )
    max_batch_tokens: int | None = Field(
        default=None,
        ge=1,
        le=2**20,
        description="Most tokens that are classified together; by default what this machine, measured at the "
        "start, needs to work at nearly its full speed.",
    )
    engine_timeout_seconds: float = Field(
        default=20,
        gt=0,
        le=3600,
        description="An engine that takes longer for one batch, and 20 times longer than predicted, counts "
        "as hung: requests are answered 503 and /livez fails.",
    )
    max_texts: int = Field(default=64, ge=1, le=4096, description="Most texts of one request.")
    max_text_characters: int = Field(
        default=8192,
        ge=1,
        le=1_000_000,
        description="Most characters of one text; what exceeds the model's own limit in tokens is cut off.",
    )
    max_body_bytes: int = Field(
        default=4 * 2**20, ge=1024, le=2**30, description="Most bytes of one request body."
    )
    key_file: str | None = Field(
        default=None,
        pattern=r"^([/~]|[A-Za-z]:)",  # workers may start in another folder
        description="File with the key of an encrypted model, 32 bytes in base64, that the service alone may "
        "read, as an absolute path; with a key, no other model is served.",
    )
    key: SecretStr | None = Field(
        default=None,
        min_length=43,
        max_length=64,
        description="The key itself, where it cannot be a file; whoever sees the environment sees it.",
    )
    access_log: bool = Field(default=False, description="Log one line per request: never its texts.")
    tracing: bool = Field(
        default=False, description="Record OpenTelemetry spans, at about 0.2 ms of CPU per request."
    )

    @property
    def threads_per_worker(self) -> int:
        """Threads of one forward pass."""
        return self.threads or max(1, available_cpus() // self.workers)

    @property
    def limits(self) -> dict[str, int | float]:
        """What a client may want to know before it is refused."""
        names = ("max_texts", "max_text_characters", "max_body_bytes", "max_concurrency", "timeout_seconds")
        return {name: getattr(self, name) for name in names}

    def device_of(self, worker_index: int) -> str:
        """Return the device of a worker, counted from 0."""
        return self.devices[worker_index % len(self.devices)]

    @property
    def devices(self) -> list[str]:
        """The devices, of which workers take one in turn."""
        return self.device.split(",")


def read_settings() -> Settings:
    """Read the environment.

    Raises
    ------
    SettingsError
        A variable `CLASSIFIER_*` is unknown or its value is not allowed.
    """
    known = {variable(field) for field in Settings.model_fields}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(
                f"{name} is not a setting; rename or unset it: {nearest(name.upper(), known)}"
            )
    try:
        return Settings()
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = str(problem["loc"][0])
        reason = _FORMS.get(field, "of another form") if problem["type"] == _NO_MATCH else problem["msg"]
        given = "not shown here" if field in _SECRET else repr(problem["input"])
        raise SettingsError(
            f"{variable(field)} is {given}: {reason}; correct it or unset it. "
            f"Its meaning: {Settings.model_fields[field].description}"
        ) from (None if field in _SECRET else error)


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()
