"""The routes of the API that stay with `EXTENDED_API=0`, by name: jobs, and what one needs for them."""

CORE = frozenset(
    {
        "api-root",
        "api-schema",
        "api-docs",
        "api-unknown",
        "api-health-live",
        "api-health-ready",
        "api-login",
        "api-refresh",
        "api-logout",
        "api-ticket",
        "api-job-options",
        "api-jobs",
        "api-job",
        "api-job-actions",
        "api-job-archive",
        "api-job-artifact",
        "api-job-artifacts",
        "api-job-attempts",
        "api-job-cancel",
        "api-job-events",
        "api-job-log",
        "api-job-stream",
        "api-job-summary",
    }
)
