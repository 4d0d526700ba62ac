"""Every problem a client can meet, each with a stable code.

Rendered once in `routes/problems.py`; the same object is a job's `error`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar


class OrfeasError(Exception):
    """A refusal or failure with a stable code and a sentence that says what to do.

    Parameters
    ----------
    detail
        Names the value, the limit and the way out.
    errors
        One entry for each wrong member: `{"pointer": "/dimensions/width", "detail": ..., "code": ...}`.
    members
        Further members of the problem, such as `retry_after`, `limit`, `allowed`.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong inside the server"
    retryable: ClassVar[bool] = False

    def __init__(
        self, detail: str | None = None, *, errors: list[dict[str, str]] | None = None, **members: Any
    ) -> None:
        self.detail = detail or f"{self.title}."
        self.errors = errors or []
        self.members = members
        super().__init__(self.detail)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.detail, self.errors, self.members))

    def as_problem(self) -> dict[str, Any]:
        """The RFC 9457 members that do not depend on a request."""
        return {
            "type": f"/problems/{self.code.replace('_', '-')}",
            "title": self.title,
            "status": int(self.status),
            "detail": self.detail,
            "code": self.code,
            "errors": self.errors,
            "error": self.detail,
            **self.members,
        }

    def as_job_error(self) -> dict[str, Any]:
        """The problem as a job keeps it."""
        return {**self.as_problem(), "retryable": self.retryable}


def _rebuild(
    kind: type[OrfeasError], detail: str, errors: list[dict[str, str]], members: dict[str, Any]
) -> OrfeasError:
    return kind(detail, errors=errors, **members)


class InternalError(OrfeasError):
    """An unexpected error; the log has the traceback under the request id."""


# 400


class BadRequestError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "bad_request", "The request could not be read"


class InvalidRequestError(OrfeasError):
    """A wrong parameter: 400 on the compatible surface, 422 on v1 (chosen where the problem is rendered)."""

    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", "A parameter is missing or wrong"


class InvalidImageError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "invalid_image", "The file is not an image that can be used"


class ActiveContentError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "image_active_content", "The image carries code or another file"


class FileMissingError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "file_missing", "The request has no file"


class InvalidNameError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "invalid_name", "The name cannot be used"


class BadCursorError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "bad_cursor", "The cursor is not one of this list"


class BlockedUrlError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "blocked_url", "The URL may not be fetched"


# 401, 403


class UnauthenticatedError(OrfeasError):
    status, code, title = HTTPStatus.UNAUTHORIZED, "unauthenticated", "A key is needed"


class KeyExpiredError(OrfeasError):
    status, code, title = HTTPStatus.UNAUTHORIZED, "key_expired", "The key has expired"


class ForbiddenError(OrfeasError):
    status, code, title = HTTPStatus.FORBIDDEN, "forbidden", "This caller may not do that"


class LicenceTerritoryError(OrfeasError):
    status, code, title = HTTPStatus.FORBIDDEN, "licence_territory", "The model's licence excludes this territory"


# 404 to 421


class NotFoundError(OrfeasError):
    status, code, title = HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this address"


class JobNotFoundError(OrfeasError):
    status, code, title = HTTPStatus.NOT_FOUND, "job_not_found", "There is no such job"


class FileNotFoundProblem(OrfeasError):  # noqa: N818 - FileNotFoundError is a builtin
    status, code, title = HTTPStatus.NOT_FOUND, "file_not_found", "There is no such file"


class ModelUnknownError(OrfeasError):
    status, code, title = HTTPStatus.NOT_FOUND, "model_unknown", "There is no such model"


class ResultNotReadyError(OrfeasError):
    status, code, title = HTTPStatus.NOT_FOUND, "result_not_ready", "The result is not ready yet"
    retryable = True


class ResultFailedError(OrfeasError):
    status, code, title = HTTPStatus.NOT_FOUND, "result_failed", "The job ended without a result"


class MethodNotAllowedError(OrfeasError):
    status, code, title = HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "This address has other methods"


class NotAcceptableError(OrfeasError):
    status, code, title = HTTPStatus.NOT_ACCEPTABLE, "not_acceptable", "No representation fits the Accept header"


class LatentGoneError(OrfeasError):
    status, code, title = HTTPStatus.CONFLICT, "latent_gone", "The kept latent was swept"


class ModelInUseError(OrfeasError):
    status, code, title = HTTPStatus.CONFLICT, "model_in_use", "The model is at work"


class JobNotFinalError(OrfeasError):
    status, code, title = HTTPStatus.CONFLICT, "job_not_final", "The job has not ended"


class LicenceUnacknowledgedError(OrfeasError):
    status, code, title = HTTPStatus.CONFLICT, "licence_unacknowledged", "The model's licence has to be accepted first"


class AssetInUseError(OrfeasError):
    status, code, title = HTTPStatus.CONFLICT, "asset_in_use", "Something still refers to the asset"


class IdempotencyInFlightError(OrfeasError):
    status, code, title = (
        HTTPStatus.CONFLICT,
        "idempotency_in_flight",
        "The first request with this key is still at work",
    )
    retryable = True


class AssetGoneError(OrfeasError):
    status, code, title = HTTPStatus.GONE, "asset_gone", "The file was removed"


class PreconditionFailedError(OrfeasError):
    status, code, title = HTTPStatus.PRECONDITION_FAILED, "precondition_failed", "The resource has changed"


class TooLargeError(OrfeasError):
    status, code, title = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The body is too large"


class UnsupportedMediaTypeError(OrfeasError):
    status, code, title = (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "This media type is not read here",
    )


class RangeNotSatisfiableError(OrfeasError):
    status, code, title = (
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "range_not_satisfiable",
        "The range lies outside the file",
    )


class BadHostError(OrfeasError):
    status, code, title = HTTPStatus.MISDIRECTED_REQUEST, "bad_host", "This server does not answer for that host"


# 422


class ParameterNotSupportedError(OrfeasError):
    status, code, title = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "parameter_not_supported",
        "The chosen engine cannot use a parameter",
    )


class IdempotencyMismatchError(OrfeasError):
    status, code, title = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency_mismatch",
        "The key was used with another request",
    )


class UnreadableMeshError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "unreadable_mesh", "The mesh cannot be read"


class OpenMeshError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "open_mesh", "The mesh is not closed"


class EmptyMeshError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "empty_mesh", "The mesh has no faces"


class PromptNotUnderstoodError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "prompt_not_understood", "The prompt was not understood"
    way_out: ClassVar[str] = (
        "Use words of the vocabulary (GET /api/v1/presets?kind=vocabulary), or set ORFEAS_TEXT_TO_IMAGE_MODEL to a "
        "text-to-image folder of diffusers, which takes any sentence."
    )

    @classmethod
    def of(
        cls,
        reason: str,
        *,
        unrecognized_words: Sequence[str],
        near: Mapping[str, Sequence[str]],
        vocabulary: Mapping[str, Sequence[str]],
    ) -> PromptNotUnderstoodError:
        """The problem of a sentence, with what would be understood in its place."""
        meant = "; ".join(f"{', '.join(alike)} in place of {word!r}" for word, alike in near.items())
        return cls(
            " ".join(part for part in (reason, f"Known are {meant}." if meant else "", cls.way_out) if part),
            errors=[{"pointer": "/prompt", "detail": reason, "code": cls.code}],
            unrecognized_words=[*unrecognized_words],
            near={word: [*alike] for word, alike in near.items()},
            vocabulary={kind: [*words] for kind, words in vocabulary.items()},
        )


class FormatUnavailableError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "format_unavailable", "The format cannot be written here"


class DoesNotFitError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "does_not_fit", "It does not fit"


class TargetUnreachableError(OrfeasError):
    status, code, title = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "target_unreachable",
        "The number of faces cannot be reached",
    )


class CapabilityMissingError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "capability_missing", "This server cannot do that"


# 429


class RateLimitedError(OrfeasError):
    status, code, title = HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", "Too many requests"
    retryable = True


class QuotaExceededError(OrfeasError):
    status, code, title = HTTPStatus.TOO_MANY_REQUESTS, "quota_exceeded", "The quota is used up"
    retryable = True


# 500 to 507


class UpstreamFailedError(OrfeasError):
    status, code, title = HTTPStatus.BAD_GATEWAY, "upstream_failed", "Another server failed"
    retryable = True


class QueueFullError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "queue_full", "The queue is full"
    retryable = True


class ModelUnavailableError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "model_unavailable", "The model is not installed"


class CheckpointError(ModelUnavailableError):
    """Files of a model that are missing, half downloaded, damaged or made for something else."""


class LlmNotConfiguredError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "llm_not_configured", "No language model is configured"


class LlmUnreachableError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "llm_unreachable", "The language model does not answer"
    retryable = True


class ShuttingDownError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "shutting_down", "The server is shutting down"
    retryable = True


class LlmTimeoutError(OrfeasError):
    status, code, title = HTTPStatus.GATEWAY_TIMEOUT, "llm_timeout", "The language model took too long"
    retryable = True


class GPUMemoryError(OrfeasError):
    status, code, title = HTTPStatus.INSUFFICIENT_STORAGE, "gpu_memory", "The device has too little memory"
    retryable = True


class DiskFullError(OrfeasError):
    status, code, title = HTTPStatus.INSUFFICIENT_STORAGE, "disk_full", "The disk is full"
    retryable = True


# in a job's error only


class PostconditionFailedError(OrfeasError):
    status, code, title = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "postcondition_failed",
        "The result does not satisfy what was required",
    )


class EmptySurfaceError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "empty_surface", "There is no surface in the volume"


class ResultInvalidError(OrfeasError):
    status, code, title = (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "result_invalid",
        "The written file could not be loaded again",
    )


class StageCrashedError(OrfeasError):
    status, code, title = HTTPStatus.INTERNAL_SERVER_ERROR, "stage_crashed", "A stage crashed twice"


class StageMemoryError(OrfeasError):
    status, code, title = HTTPStatus.INTERNAL_SERVER_ERROR, "stage_memory", "A stage needed more memory than it may use"


class WorkerLostError(OrfeasError):
    status, code, title = HTTPStatus.INTERNAL_SERVER_ERROR, "worker_lost", "The workers of this job kept disappearing"
    retryable = True


class ChecksumMismatchError(OrfeasError):
    status, code, title = HTTPStatus.INTERNAL_SERVER_ERROR, "checksum_mismatch", "The file is not the published one"
    retryable = True


class StageTimeoutError(OrfeasError):
    status, code, title = HTTPStatus.GATEWAY_TIMEOUT, "stage_timeout", "A stage took too long"


class DeadlineExceededError(OrfeasError):
    status, code, title = HTTPStatus.GATEWAY_TIMEOUT, "deadline_exceeded", "The job took too long"
    retryable = True


STANDARD_MEMBERS = ("type", "title", "status", "detail", "code", "errors", "error", "retryable")


def rebuilt(problem: dict[str, Any]) -> OrfeasError:
    """The error that a job kept as a problem, to be raised again."""
    kind = all_problems().get(problem["code"], InternalError)
    members = {name: value for name, value in problem.items() if name not in STANDARD_MEMBERS}
    return kind(problem["detail"], errors=problem["errors"], **members)


def all_problems() -> dict[str, type[OrfeasError]]:
    """Every problem class by its code, as `/problems/{slug}` lists them."""
    kinds: list[type[OrfeasError]] = [*OrfeasError.__subclasses__()]
    return {kind.code: kind for kind in kinds}
