"""All settings, from the environment; `.env.example` lists every variable read here."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy

from config.core import CORE
from config.env import (
    env_bool,
    env_int,
    env_list,
    env_networks,
    env_rate,
    env_str,
    key_file,
)

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env_str("DATA_DIR") or BASE_DIR / "var").resolve()
HOST = env_str("HOST", "127.0.0.1")
PORT = env_int("PORT", 8000)
LISTENS_ON_LOOPBACK = HOST in {"127.0.0.1", "::1", "localhost"}

DEBUG = env_bool("DEBUG", False)
SECRET_KEY = env_str("SECRET_KEY") or key_file(DATA_DIR / "keys" / "secret_key")
ENCRYPTION_KEY = env_str("ENCRYPTION_KEY") or key_file(DATA_DIR / "keys" / "encryption_key")

PUBLIC_URL = env_str("PUBLIC_URL").rstrip("/")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS") or ["127.0.0.1", "localhost", "[::1]"]
if HOST not in ALLOWED_HOSTS and HOST not in {"0.0.0.0", "::", "::1"}:
    ALLOWED_HOSTS.append(HOST)
HTTPS = PUBLIC_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_SSL_REDIRECT = HTTPS
# Scrapers and probes come to the process itself, behind the proxy.
SECURE_REDIRECT_EXEMPT = [r"^metrics/?$", r"^api/health/(live|ready)/?$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
# Whose word on the client's address counts. With PUBLIC_URL a proxy on this machine is the rule.
TRUSTED_PROXIES = env_networks("TRUSTED_PROXIES", "127.0.0.0/8,::1" if PUBLIC_URL else "")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"
# Plain http is the rule on loopback, where ./run listens; with PUBLIC_URL=https://… all of these hold.
SILENCED_SYSTEM_CHECKS = (
    [] if HTTPS else ["security.W004", "security.W008", "security.W012", "security.W016"]
) + [
    "security.W019",
    "templates.W003",  # config.list_rows stands in for the tags of the theme, on purpose
    # Views that do not describe themselves: tests/jobs/test_openapi.py names them.
    "drf_spectacular.W001",
    "drf_spectacular.W002",
]

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "config.apps.ConsoleAdmin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_q",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "jobs",
    "documents",
    "ingestion",
    "recorder",
    "config",
]

MIDDLEWARE = [
    "config.observing.Observe",
    "config.requests.KnownRequests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.ContentSecurityPolicy",
    "config.middleware.ApiProblems",
    "config.middleware.CoreAlone",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.requests.PersonalTime",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
APPEND_SLASH = True

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "config.unfold.personal",
            ],
            # The theme's own tags but for the rows of a list, which it draws slowly.
            "libraries": {"unfold_list": "config.list_rows"},
        },
    },
]

DATABASE_URL = env_str("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'tapedeck.sqlite3'}"
_database: dict[str, Any] = dict(dj_database_url.parse(DATABASE_URL))
if _database["ENGINE"] == "django.db.backends.sqlite3":
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    _database["ENGINE"] = "jobs.sqlite"  # Django's own, whose transactions take turns
    _database["OPTIONS"] = {
        # IMMEDIATE: a read that turns into a write would else fail with "database is locked" at once.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        # A commit that finds 64 MB in the log writes it back while all others wait: the clusters do
        # that beside them, long before (jobs.sqlite.checkpoints).
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
        "PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=16000;",
    }
elif _database["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL must be sqlite:// or postgresql://.")
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env_str("REDIS_URL")
if REDIS_URL:
    CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    }
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL]},
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# Artifacts: a folder, or S3 where a bucket is named.
AWS_STORAGE_BUCKET_NAME = env_str("AWS_STORAGE_BUCKET_NAME")
if AWS_STORAGE_BUCKET_NAME:
    _artifacts: dict[str, Any] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": AWS_STORAGE_BUCKET_NAME,
            "endpoint_url": env_str("AWS_S3_ENDPOINT_URL") or None,
            "region_name": env_str("AWS_S3_REGION_NAME") or None,
            "querystring_expire": 300,
            "file_overwrite": False,
            "default_acl": None,
        },
    }
else:
    _artifacts = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(DATA_DIR / "artifacts")},
    }
STORAGES = {
    "default": _artifacts,
    "staticfiles": {"BACKEND": "config.storage.ConsoleStaticFiles"},
}
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

# The values and why: ARCHITECTURE section 2, contract test in tests/jobs/.
Q_CLUSTER = {
    "name": "default",
    "broker_class": "jobs.queue.broker.TableBroker",
    "workers": env_int("WORKERS", 2),
    "queue_limit": 1,
    "bulk": 1,
    "save_limit": -1,
    "max_attempts": 1,
    "ack_failures": True,
    "timeout": env_int("JOB_TIMEOUT_S", 4 * 3600),
    "retry": env_int("JOB_TIMEOUT_S", 4 * 3600) + 120,
    "recycle": 100,
    "guard_cycle": 0.5,
    "poll": 0.05,
    "catch_up": False,
    "scheduler": False,
    "ALT_CLUSTERS": {},
    "label": "Queue",
}
# Queue name -> worker processes; `manage.py up` starts one cluster each.
QUEUES = {"default": env_int("WORKERS", 2), "browser": env_int("BROWSER_WORKERS", 2)}
LEASE_S = env_int("LEASE_S", 30)
CANCEL_GRACE_S = env_int("CANCEL_GRACE_S", 5)
DRAIN_S = env_int("DRAIN_S", 20)

# What the health checks call worth looking at.
QUEUE_WARN_S = env_int("QUEUE_WARN_S", 600)
DISK_WARN_MB = env_int("DISK_WARN_MB", 1024)
# Who may read /metrics from another machine; empty: nobody.
METRICS_TOKEN = env_str("METRICS_TOKEN")
# Where errors and traces go; empty: nowhere, and nothing of either is imported.
SENTRY_DSN = env_str("SENTRY_DSN")
SENTRY_ENVIRONMENT = env_str("SENTRY_ENVIRONMENT", "production")
OTEL_EXPORTER_OTLP_ENDPOINT = env_str("OTEL_EXPORTER_OTLP_ENDPOINT")
# Ended jobs are deleted after this, where no rule of the admin says otherwise; 0: never.
RETENTION_DAYS = env_int("RETENTION_DAYS", 90)
# Bytes of artifacts, in MB; 0: no limit. A job whose file does not fit fails with `storage_full`.
ARTIFACT_QUOTA_MB = env_int("ARTIFACT_QUOTA_MB", 0)
ARTIFACT_QUOTA_USER_MB = env_int("ARTIFACT_QUOTA_USER_MB", 0)

# Documents: the largest file that is taken, how long the bytes of a deleted one stay, and how
# long an upload that broke off can go on.
MAX_UPLOAD_MB = env_int("MAX_UPLOAD_MB", 4096)
DOCUMENT_RETENTION_DAYS = env_int("DOCUMENT_RETENTION_DAYS", 30)
UPLOAD_EXPIRES_H = env_int("UPLOAD_EXPIRES_H", 24)

# Where browsers and crawlers may go: ARCHITECTURE section 10.
EGRESS_ALLOW = env_list("EGRESS_ALLOW")
EGRESS_PRIVATE = env_bool("EGRESS_PRIVATE", LISTENS_ON_LOOPBACK)
CHROMIUM_PATH = env_str("CHROMIUM_PATH")

# What searches by meaning use: the offline model, an OpenAI-compatible endpoint, or nothing.
EMBEDDINGS = env_str("EMBEDDINGS", "offline")
EMBEDDINGS_URL = env_str("EMBEDDINGS_URL").rstrip("/")
EMBEDDINGS_MODEL = env_str("EMBEDDINGS_MODEL")
EMBEDDINGS_KEY = env_str("EMBEDDINGS_KEY")
EMBEDDINGS_DIMENSION = env_int("EMBEDDINGS_DIMENSION", 0)
EMBEDDINGS_BATCH = env_int("EMBEDDINGS_BATCH", 64)
EMBEDDINGS_RATE = env_rate("EMBEDDINGS_RATE", "off")
EMBEDDINGS_TIMEOUT_S = env_int("EMBEDDINGS_TIMEOUT_S", 60)
EMBEDDINGS_THREADS = env_int("EMBEDDINGS_THREADS", 0)
if EMBEDDINGS not in {"offline", "endpoint", "off"}:
    raise ImproperlyConfigured(f"EMBEDDINGS={EMBEDDINGS!r} is none of offline, endpoint and off.")
if EMBEDDINGS == "endpoint" and not (
    EMBEDDINGS_URL.startswith(("http://", "https://")) and EMBEDDINGS_MODEL
):
    raise ImproperlyConfigured(
        "EMBEDDINGS=endpoint needs EMBEDDINGS_URL (such as https://api.openai.com/v1) and "
        "EMBEDDINGS_MODEL."
    )
if (
    EMBEDDINGS_BATCH < 1
    or EMBEDDINGS_TIMEOUT_S < 1
    or min(EMBEDDINGS_DIMENSION, EMBEDDINGS_THREADS) < 0
):
    raise ImproperlyConfigured(
        "EMBEDDINGS_BATCH and EMBEDDINGS_TIMEOUT_S must be 1 or more, EMBEDDINGS_DIMENSION and "
        "EMBEDDINGS_THREADS not negative."
    )

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AUTHENTICATION_BACKENDS = ["config.accounts.LockingBackend"]
# False: /api/ has jobs and what one needs for them, and no more (config/core.py, docs/api.md).
EXTENDED_API = env_bool("EXTENDED_API", True)
CORE_ROUTES = CORE
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "jobs.api.rendering.BrowsablePages",
    ],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "jobs.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["jobs.api.permissions.ByRole"],
    "DEFAULT_PARSER_CLASSES": [
        "jobs.api.parsers.BoundedJSON",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["jobs.api.throttles.ByScope"],
    "DEFAULT_SCHEMA_CLASS": "jobs.api.schema.Described",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "jobs.api.rendering.JsonUnlessBrowser",
    "EXCEPTION_HANDLER": "jobs.api.problem.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# How often each may be asked: by user, and by address where nobody is logged in.
RATES = {
    "login": env_rate("RATE_LOGIN", "30/min"),
    "register": env_rate("RATE_REGISTER", "10/h"),
    "submit": env_rate("RATE_SUBMIT", "300/min"),
    "write": env_rate("RATE_WRITE", "1200/min"),
    "read": env_rate("RATE_READ", "6000/min"),
}
REGISTRATION = env_bool("REGISTRATION", False)
SPECTACULAR_SETTINGS = {
    "TITLE": "Tapedeck",
    "DESCRIPTION": "Jobs, recordings, accounts and the state of this installation. See docs/api.md.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["jobs.api.permissions.ByRole"],
    "SCHEMA_PATH_PREFIX": "/api",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False},
    "ENUM_NAME_OVERRIDES": {
        "JobStatus": "jobs.models.Status",
        "Outcome": "jobs.models.Attempt.Outcome",
        "SourceKind": "ingestion.models.SourceKind",
        "SearchMode": "ingestion.api.search_shapes.MODES",
        "DocumentKind": "ingestion.models.DocumentKind",
        "DocumentState": "ingestion.models.DocumentState",
        "SourceState": "ingestion.api.shapes.SOURCE_STATES",
    },
    "PREPROCESSING_HOOKS": ["jobs.api.schema.offered"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "jobs.api.schema.finished",
    ],
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    # Rotation is ours (config.tokens): a row for each login, not one for each token ever given.
    "ROTATE_REFRESH_TOKENS": False,
    "BLACKLIST_AFTER_ROTATION": False,
    "UPDATE_LAST_LOGIN": False,
    # A changed password ends every token given out before.
    "CHECK_REVOKE_TOKEN": True,
}

# Only /admin/ may use unsafe-eval: the theme's Alpine needs it (config.middleware narrows the rest).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "frame-ancestors": [SELF],
        "form-action": [SELF],
    }
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = env_str("TIME_ZONE", "UTC")
USE_I18N = False
USE_TZ = True

LOG_FORMAT = env_str("LOG_FORMAT", "line")
if LOG_FORMAT not in {"line", "json"}:
    raise ImproperlyConfigured(f"LOG_FORMAT={LOG_FORMAT!r} is neither line nor json.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "jobs.logs.LineFormatter",
            "format": "{asctime} {levelname} {name} {ids}{message}",
            "style": "{",
        },
        "json": {"()": "jobs.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": env_str("LOG_LEVEL", "INFO")},
    "loggers": {"httpx": {"level": "WARNING"}},
}

UNFOLD = {
    "SITE_TITLE": "Tapedeck",
    "SITE_HEADER": "Tapedeck",
    "SITE_SUBHEADER": "Operations console for QA",
    "SITE_SYMBOL": "album",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("tapedeck/favicon.svg"),
        }
    ],
    "THEME": "config.unfold.theme",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["config.unfold.console_css"],
    "DASHBOARD_CALLBACK": "config.unfold.dashboard",
    "LOGIN": {"form": "config.accounts.LoginForm"},
    "TABS": "config.navigation.tabs",
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "config.navigation.sidebar",
    },
}
