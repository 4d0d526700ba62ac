"""Every problem a client can meet, each with a stable code.

Rendered once in `routes/problems.py`; the same object is a job's `error`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Self


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
    way_out: ClassVar[str] = "Look in the log of the server for the `request_id` of the answer; the traceback is there."
    """What to do, without the values that `detail` has."""
    entry_code: ClassVar[str | None] = None
    """What an entry of `errors` is called where it is not named after the problem."""

    def __init__(
        self, detail: str | None = None, *, errors: list[dict[str, str]] | None = None, **members: Any
    ) -> None:
        self.detail = detail or f"{self.title}."
        self.errors = errors or []
        self.members = members
        super().__init__(self.detail)

    @classmethod
    def at(cls, pointer: str, detail: str, *, code: str | None = None, **members: Any) -> Self:
        """The problem of one member of the request, named by its JSON pointer."""
        entry = {"pointer": pointer, "detail": detail, "code": code or cls.entry_code or cls.code}
        return cls(detail, errors=[entry], **members)

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
    way_out = "Send a body that its Content-Type describes: valid JSON in UTF-8, or complete multipart."


class InvalidRequestError(OrfeasError):
    """A wrong parameter: 400 on the compatible surface, 422 on v1 (chosen where the problem is rendered)."""

    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", "A parameter is missing or wrong"
    way_out = "`errors` names each wrong member by a JSON pointer and says what is allowed; /docs shows every member."
    entry_code = "invalid"


class InvalidImageError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "invalid_image", "The file is not an image that can be used"
    way_out = "Send a png, jpg, gif, bmp, tiff or webp, 32 to 4096 pixels a side, whose extension fits its content."


class ActiveContentError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "image_active_content", "The image carries code or another file"
    way_out = "Save the picture anew in an image program; scripts and appended files do not survive that."


class FileMissingError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "file_missing", "The request has no file"
    way_out = "Send the file as a part of multipart/form-data: `curl -F image=@photo.png`; `detail` names the field."


class InvalidNameError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "invalid_name", "The name cannot be used"
    way_out = "Choose another name; `detail` says which characters are allowed or which names there are."


class BadCursorError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "bad_cursor", "The cursor is not one of this list"
    way_out = "Start the list again without `cursor`; a cursor belongs to one list and its filters."


class BlockedUrlError(OrfeasError):
    status, code, title = HTTPStatus.BAD_REQUEST, "blocked_url", "The URL may not be fetched"
    way_out = (
        "Only public http(s) addresses are fetched, within 20 s and the upload limit, and only if "
        "ORFEAS_ALLOW_URL_INPUT is 1 and ORFEAS_OFFLINE is 0. Else send the file itself."
    )


# 401, 403


class UnauthenticatedError(OrfeasError):
    status, code, title = HTTPStatus.UNAUTHORIZED, "unauthenticated", "A key is needed"
    way_out = "This release has no keys and never answers this; it is kept for the one that has."


class KeyExpiredError(OrfeasError):
    status, code, title = HTTPStatus.UNAUTHORIZED, "key_expired", "The key has expired"
    way_out = "This release has no keys and never answers this; it is kept for the one that has."


class ForbiddenError(OrfeasError):
    status, code, title = HTTPStatus.FORBIDDEN, "forbidden", "This caller may not do that"
    way_out = (
        "Pages of other sites may not delete or configure; use the server's own pages, or a program that is no browser."
    )


class LicenceTerritoryError(OrfeasError):
    status, code, title = HTTPStatus.FORBIDDEN, "licence_territory", "The model's licence excludes this territory"
    way_out = "Use a model whose licence allows your territory, or correct ORFEAS_TERRITORY if it is wrong."


# 404 to 421


class NotFoundError(OrfeasError):
    status, code, title = HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this address"
    way_out = "Compare the address and its version with /docs."


class JobNotFoundError(OrfeasError):
    status, code, title = HTTPStatus.NOT_FOUND, "job_not_found", "There is no such job"
    way_out = "Check the id; a deleted job is gone, and another data folder or database has other jobs."


class FileNotFoundProblem(OrfeasError):  # noqa: N818 - FileNotFoundError is a builtin
    status, code, title = HTTPStatus.NOT_FOUND, "file_not_found", "There is no such file"
    way_out = "Read the job for the names and ids of its files."


class ModelUnknownError(OrfeasError):
    status, code, title = HTTPStatus.NOT_FOUND, "model_unknown", "There is no such model"
    way_out = "`GET /api/v1/models` or `orfeas models list` shows every id."


class ResultNotReadyError(OrfeasError):
    status, code, title = HTTPStatus.NOT_FOUND, "result_not_ready", "The result is not ready yet"
    way_out = "Wait as long as `Retry-After` says, ask with `?wait=60`, or follow the job's events."
    retryable = True


class ResultFailedError(OrfeasError):
    status, code, title = HTTPStatus.NOT_FOUND, "result_failed", "The job ended without a result"
    way_out = (
        "Read the job: its `error` says why it ended. Mend that and make it again (`POST /api/v1/jobs/{job_id}/retry`)."
    )


class MethodNotAllowedError(OrfeasError):
    status, code, title = HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "This address has other methods"
    way_out = "Use one of the methods of the `Allow` header."


class NotAcceptableError(OrfeasError):
    status, code, title = HTTPStatus.NOT_ACCEPTABLE, "not_acceptable", "No representation fits the Accept header"
    way_out = "Send no Accept header, or one that allows the media types of /docs."


class LatentGoneError(OrfeasError):
    status, code, title = HTTPStatus.CONFLICT, "latent_gone", "The kept latent was swept"
    way_out = "Kept intermediates were swept: make the model again. ORFEAS_LATENT_MAX_MB sets how much is kept."


class ModelInUseError(OrfeasError):
    status, code, title = HTTPStatus.CONFLICT, "model_in_use", "The model is at work"
    way_out = "Wait until the jobs that use the model have ended, or cancel them; `GET /api/v1/queue` shows them."


class JobNotFinalError(OrfeasError):
    status, code, title = HTTPStatus.CONFLICT, "job_not_final", "The job has not ended"
    way_out = "Wait until the job has ended, or cancel it first."


class LicenceUnacknowledgedError(OrfeasError):
    status, code, title = HTTPStatus.CONFLICT, "licence_unacknowledged", "The model's licence has to be accepted first"
    way_out = "Read the licence and accept it: `POST /api/v1/models/{model_id}/acknowledge`."


class AssetInUseError(OrfeasError):
    status, code, title = HTTPStatus.CONFLICT, "asset_in_use", "Something still refers to the asset"
    way_out = "Delete what refers to the asset first; its `references` name it."


class IdempotencyInFlightError(OrfeasError):
    status, code, title = (
        HTTPStatus.CONFLICT,
        "idempotency_in_flight",
        "The first request with this key is still at work",
    )
    way_out = "Send the same request again a little later; it will get the first answer."
    retryable = True


class AssetGoneError(OrfeasError):
    status, code, title = HTTPStatus.GONE, "asset_gone", "The file was removed"
    way_out = (
        "The file was removed by retention or by hand; make it again. ORFEAS_RETENTION_H sets how long files stay."
    )


class PreconditionFailedError(OrfeasError):
    status, code, title = HTTPStatus.PRECONDITION_FAILED, "precondition_failed", "The resource has changed"
    way_out = "Read the resource again and repeat the change with its new ETag."


class TooLargeError(OrfeasError):
    status, code, title = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The body is too large"
    way_out = "Send a smaller file, or raise ORFEAS_MAX_UPLOAD_MB (at most 500) and the limit of a proxy in front."


class UnsupportedMediaTypeError(OrfeasError):
    status, code, title = (
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "This media type is not read here",
    )
    way_out = "Send application/json or multipart/form-data with the right Content-Type."


class RangeNotSatisfiableError(OrfeasError):
    status, code, title = (
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "range_not_satisfiable",
        "The range lies outside the file",
    )
    way_out = "Ask for bytes inside the file; `Content-Range` has its size."


class BadHostError(OrfeasError):
    status, code, title = HTTPStatus.MISDIRECTED_REQUEST, "bad_host", "This server does not answer for that host"
    way_out = (
        "Use 127.0.0.1 or localhost, or set ORFEAS_HOST to the name or address that clients use; a proxy has to "
        "pass a Host that this server knows."
    )


# 422


class ParameterNotSupportedError(OrfeasError):
    status, code, title = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "parameter_not_supported",
        "The chosen engine cannot use a parameter",
    )
    way_out = "Leave the named parameter out, or choose an engine that has it."


class IdempotencyMismatchError(OrfeasError):
    status, code, title = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency_mismatch",
        "The key was used with another request",
    )
    way_out = "Use a new Idempotency-Key for another request."


class UnreadableMeshError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "unreadable_mesh", "The mesh cannot be read"
    way_out = "Open the file in another program and write it again; `detail` says what is broken."


class OpenMeshError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "open_mesh", "The mesh is not closed"
    way_out = "Repair the mesh first (`POST /api/v1/meshes/repair`, with `aggressive` if it stays open)."


class EmptyMeshError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "empty_mesh", "The mesh has no faces"
    way_out = "Send a file with triangles."


class PromptNotUnderstoodError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "prompt_not_understood", "The prompt was not understood"
    way_out = (
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
    way_out = (
        "Ask for a format that `GET /api/v1/exports/formats` calls available; `reason` there says what another needs."
    )


class DoesNotFitError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "does_not_fit", "It does not fit"
    way_out = "Give a smaller size or another printer; `detail` has the limit."


class TargetUnreachableError(OrfeasError):
    status, code, title = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "target_unreachable",
        "The number of faces cannot be reached",
    )
    way_out = "Ask for no fewer faces than `best`."


class CapabilityMissingError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "capability_missing", "This server cannot do that"
    way_out = "`detail` says what is missing: a worker, a program, a model or a package. `orfeas doctor` shows all."


# 429


class RateLimitedError(OrfeasError):
    status, code, title = HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", "Too many requests"
    way_out = (
        "Wait as long as `Retry-After` says. ORFEAS_RATE_LIMIT_PER_MINUTE sets the limit; streams are capped at "
        "64 an address."
    )
    retryable = True


class QuotaExceededError(OrfeasError):
    status, code, title = HTTPStatus.TOO_MANY_REQUESTS, "quota_exceeded", "The quota is used up"
    way_out = "This release has no quotas and never answers this; it is kept for the one that has."
    retryable = True


# 500 to 507


class UpstreamFailedError(OrfeasError):
    status, code, title = HTTPStatus.BAD_GATEWAY, "upstream_failed", "Another server failed"
    way_out = "Try again; `detail` names the server or program and what it said."
    retryable = True


class QueueFullError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "queue_full", "The queue is full"
    way_out = "Wait as long as `Retry-After` says; add workers (ORFEAS_CPU_WORKERS) or raise ORFEAS_QUEUE_MAX."
    retryable = True


class ModelUnavailableError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "model_unavailable", "The model is not installed"
    way_out = (
        "`orfeas models pull MODEL` brings it, or leave `engine` and `model` out; `missing` lists the files or "
        "packages."
    )


class CheckpointError(ModelUnavailableError):
    """Files of a model that are missing, half downloaded, damaged or made for something else."""


class LlmNotConfiguredError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "llm_not_configured", "No language model is configured"
    way_out = "Set ORFEAS_LLM_URL (and ORFEAS_LLM_MODEL) to an OpenAI-compatible server and start again."


class LlmUnreachableError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "llm_unreachable", "The language model does not answer"
    way_out = (
        "Start the language model's server and compare its address with ORFEAS_LLM_URL; `GET /api/llm/status` asks it."
    )
    retryable = True


class DatabaseUnavailableError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "database_unavailable", "The database does not answer"
    way_out = "Send the request again in a moment; nothing of it was kept. The server's log says what is wrong."
    retryable = True


class ShuttingDownError(OrfeasError):
    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "shutting_down", "The server is shutting down"
    way_out = "Connect again in a moment; a server that drains takes no new work."
    retryable = True


class LlmTimeoutError(OrfeasError):
    status, code, title = HTTPStatus.GATEWAY_TIMEOUT, "llm_timeout", "The language model took too long"
    way_out = "Ask for less, use a smaller model, or raise ORFEAS_LLM_TIMEOUT_S."
    retryable = True


class GPUMemoryError(OrfeasError):
    status, code, title = HTTPStatus.INSUFFICIENT_STORAGE, "gpu_memory", "The device has too little memory"
    way_out = (
        "`fits` says which settings would; or allow lighter ones with `allow_degrade`, unload other models, or "
        "raise ORFEAS_GPU_MEMORY_SHARE."
    )
    retryable = True


class DiskFullError(OrfeasError):
    status, code, title = HTTPStatus.INSUFFICIENT_STORAGE, "disk_full", "The disk is full"
    way_out = (
        "Delete jobs, assets or the cache, or give the data folder more room. ORFEAS_DISK_RESERVE_MB and "
        "ORFEAS_STORAGE_MAX_MB set the limits."
    )
    retryable = True


# in a job's error only


class PostconditionFailedError(OrfeasError):
    status, code, title = (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "postcondition_failed",
        "The result does not satisfy what was required",
    )
    way_out = (
        "The job's `checks` compare what was required with what was measured, and the file is kept as `rejected`: "
        "require less, or change size, faces or mode."
    )


class EmptySurfaceError(OrfeasError):
    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "empty_surface", "There is no surface in the volume"
    way_out = "Take a picture whose subject stands out more, or another `seed` or `mc_level`."


class ResultInvalidError(OrfeasError):
    status, code, title = (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "result_invalid",
        "The written file could not be loaded again",
    )
    way_out = "Report it with the job's manifest: what was written could not be read back."


class StageCrashedError(OrfeasError):
    status, code, title = HTTPStatus.INTERNAL_SERVER_ERROR, "stage_crashed", "A stage crashed twice"
    way_out = (
        "Try a smaller input or a lower quality; if it comes again, report it with the job's manifest and the log."
    )


class StageMemoryError(OrfeasError):
    status, code, title = HTTPStatus.INTERNAL_SERVER_ERROR, "stage_memory", "A stage needed more memory than it may use"
    way_out = "Use a smaller mesh or picture, a lower quality or a coarser grid."


class WorkerLostError(OrfeasError):
    status, code, title = HTTPStatus.INTERNAL_SERVER_ERROR, "worker_lost", "The workers of this job kept disappearing"
    way_out = "Make it again. Look in the log for why workers ended; the system may have run out of memory."
    retryable = True


class ChecksumMismatchError(OrfeasError):
    status, code, title = HTTPStatus.INTERNAL_SERVER_ERROR, "checksum_mismatch", "The file is not the published one"
    way_out = "Pull again; if it stays, the source is damaged or not the published one: use another `source`."
    retryable = True


class StageTimeoutError(OrfeasError):
    status, code, title = HTTPStatus.GATEWAY_TIMEOUT, "stage_timeout", "A stage took too long"
    way_out = "Use a smaller input or a lower quality."


class DeadlineExceededError(OrfeasError):
    status, code, title = HTTPStatus.GATEWAY_TIMEOUT, "deadline_exceeded", "The job took too long"
    way_out = "Use a lower quality, raise ORFEAS_JOB_TIMEOUT_S, or a task's `timeout`."
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
