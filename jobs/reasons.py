"""Why a job stands where it stands: stable codes, beside the five states.

A kind adds codes of its own by raising `jobs.running.JobFailed(code, message)`.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The engine's own codes.

    ================== ========== ================================================================
    code               status     means
    ================== ========== ================================================================
    (empty)            any        nothing to explain: waiting for its first turn, or it succeeded
    retrying           queued     an attempt ended badly and another follows after `runAfter`
    cancelled_by_user  cancelled  someone asked for it
    error              failed     the kind raised an exception that it did not expect
    crashed            failed     the body's process died (killed, out of memory, a fault in C code)
    worker_lost        failed     the worker itself died or lost its lease
    timed_out          failed     the attempt ran longer than `timeoutS`
    storage_full       failed     no space left for an artifact or the work folder
    unknown_kind       failed     no file of this installation registers the kind any more
    queue_timed_out    failed     it waited in the queue longer than its kind may
    invalid_options    failed     the stored options can not be opened (sealed with another key)
    ================== ========== ================================================================
    """

    NONE = ""
    RETRYING = "retrying"
    CANCELLED_BY_USER = "cancelled_by_user"
    ERROR = "error"
    CRASHED = "crashed"
    WORKER_LOST = "worker_lost"
    TIMED_OUT = "timed_out"
    STORAGE_FULL = "storage_full"
    UNKNOWN_KIND = "unknown_kind"
    INVALID_OPTIONS = "invalid_options"
    QUEUE_TIMED_OUT = "queue_timed_out"
