"""All settings, from the environment. A missing or wrong one stops the start with its name.

`./dev up` sets everything for the sandbox; README.md has the table of names, defaults and meanings.
Durations are in seconds unless the name says otherwise; amounts are decimal text per currency.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from payouts_project import counters, retries
from payouts_project import environment as env

counters.install()  # before anything is counted
BASE_DIR = Path(__file__).resolve().parent.parent
DEMO_PASSWORD = env.text("DEMO_PASSWORD", "")  # of the sandbox logins; made by `./dev up`
STATE_DIR = Path(env.text("STATE_DIR", str(BASE_DIR / ".state")))

# --- Where we are ---------------------------------------------------------------------------------
SANDBOX = env.flag("SANDBOX", default=False)
DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY")
ALLOWED_HOSTS = env.text("ALLOWED_HOSTS", "*" if SANDBOX else "").split(",")
PORT = env.whole("PORT", 8000)

METRICS_TOKEN = env.text("METRICS_TOKEN", "")  # lets Prometheus read /metrics outside the sandbox

# --- Identity (DESIGN: believed only behind a switch) ----------------------------------------------
TRUST_GATEWAY_HEADERS = env.flag("TRUST_GATEWAY_HEADERS", default=False)
GATEWAY_SECRET = env.text("GATEWAY_SECRET", "")
GATEWAY_SIGNATURE_MAX_AGE_S = 60
if TRUST_GATEWAY_HEADERS and not SANDBOX and not GATEWAY_SECRET:
    raise ImproperlyConfigured(
        "TRUST_GATEWAY_HEADERS=1 outside the sandbox needs GATEWAY_SECRET: anyone could claim any role"
    )

# A token of Molam ID needs all three: who made it, for whom, and where the public keys are.
MOLAM_ID_ISSUER = env.text("MOLAM_ID_ISSUER", "")
MOLAM_ID_AUDIENCE = env.text("MOLAM_ID_AUDIENCE", "")
MOLAM_ID_JWKS_URL = env.text("MOLAM_ID_JWKS_URL", "")
MOLAM_ID_JWKS = env.text("MOLAM_ID_JWKS", "")  # instead of the URL: a file, or the JSON itself
MOLAM_ID_ALGORITHMS = env.algorithms("MOLAM_ID_ALGORITHMS", "RS256,ES256")
MOLAM_ID_USER_CLAIM = env.text("MOLAM_ID_USER_CLAIM", "sub")
MOLAM_ID_TENANT_CLAIM = env.text("MOLAM_ID_TENANT_CLAIM", "tenant_id")
MOLAM_ID_ROLE_CLAIM = env.text("MOLAM_ID_ROLE_CLAIM", "role")
MOLAM_ID_MAX_LIFETIME_S = env.whole("MOLAM_ID_MAX_LIFETIME_S", 3600)
MOLAM_ID_CACHE_S = env.number("MOLAM_ID_CACHE_S", 300)  # then the keys are fetched again
MOLAM_ID_STALE_S = env.number("MOLAM_ID_STALE_S", 3600)  # how long old ones do when they cannot be
MOLAM_ID_REFETCH_S = env.number("MOLAM_ID_REFETCH_S", 10)  # no sooner, whatever key a token names
MOLAM_ID_DEADLINE_S = env.number("MOLAM_ID_DEADLINE_S", 2, minimum=0.05)
_named = (MOLAM_ID_ISSUER, MOLAM_ID_AUDIENCE, MOLAM_ID_JWKS_URL or MOLAM_ID_JWKS)
if any(_named) and not all(_named):
    raise ImproperlyConfigured(
        "MOLAM_ID_ISSUER, MOLAM_ID_AUDIENCE and MOLAM_ID_JWKS_URL (or MOLAM_ID_JWKS) belong together"
    )
if MOLAM_ID_JWKS_URL.startswith("http:") and not SANDBOX:
    raise ImproperlyConfigured("MOLAM_ID_JWKS_URL must be https outside the sandbox")

# --- Secrets ----------------------------------------------------------------------------------------
# "kid:base64 of 32 bytes", comma separated; the first one encrypts, all of them decrypt.
ENCRYPTION_KEYS = env.text("ENCRYPTION_KEYS")
BLIND_INDEX_KEY = env.text(
    "BLIND_INDEX_KEY"
)  # base64 of 32 bytes; looks accounts up without opening them

# --- Databases ----------------------------------------------------------------------------------------
DATABASES = {"default": env.database(env.text("DATABASE_URL"), role=env.text("DATABASE_ROLE", ""))}
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6379/0")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOCK_TIMEOUT_MS = env.whole("LOCK_TIMEOUT_MS", 3000)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {
            "socket_connect_timeout": 0.2,
            "socket_timeout": 0.2,
            "serializer": "payouts.keycache.PlainText",
        },
    }
}
IDEMPOTENCY_CACHE_TTL = env.whole("IDEMPOTENCY_CACHE_TTL", 24 * 3600, minimum=0)

# --- Worker (the specification's five) ---------------------------------------------------------------
WORKER_POLL_INTERVAL_MS = env.whole("WORKER_POLL_INTERVAL_MS", 5000)
WORKER_BATCH_SIZE = env.whole("WORKER_BATCH_SIZE", 10)
WORKER_CONCURRENCY = env.whole("WORKER_CONCURRENCY", 5)
WORKER_ENABLE_PRIORITY = env.flag("WORKER_ENABLE_PRIORITY", default=True)
WORKER_ENABLE_SLA_MONITORING = env.flag("WORKER_ENABLE_SLA_MONITORING", default=True)

# --- Telling a bank -----------------------------------------------------------------------------------
BANK_SIMULATOR_PORT = env.whole("BANK_SIMULATOR_PORT", 9900)
BANK_URL = env.text("BANK_URL", f"http://127.0.0.1:{BANK_SIMULATOR_PORT}")
BANK_URLS = {  # per rail or connection, e.g. BANK_URL_SEPA, BANK_URL_SEPA_BACKUP
    name.removeprefix("BANK_URL_").lower(): value
    for name, value in os.environ.items()
    if name.startswith("BANK_URL_")
}
for _name, _url in (
    ("BANK_URL", BANK_URL),
    *((f"BANK_URL_{key.upper()}", url) for key, url in BANK_URLS.items()),
):
    if not SANDBOX and not _url.startswith("https://"):
        raise ImproperlyConfigured(f"{_name} must begin with https:// outside the sandbox")
# Where banks reach us: the public address of /api/bank-events, without a slash at its end. "" means nowhere.
BANK_EVENTS_URL = env.text(
    "BANK_EVENTS_URL", f"http://127.0.0.1:{PORT}/api/bank-events" if SANDBOX else ""
)
if BANK_EVENTS_URL and not SANDBOX and not BANK_EVENTS_URL.startswith("https://"):
    raise ImproperlyConfigured("BANK_EVENTS_URL must begin with https:// outside the sandbox")
BANK_API_KEY = env.text(
    "BANK_SIMULATOR_API_KEY", "sandbox-bank-key"
)  # what demo connectors are given
CALL_DEADLINE_S = env.number("CALL_DEADLINE_S", 30, minimum=0.1)
LEASE_S = env.number("LEASE_S", 90, minimum=1)
if LEASE_S <= CALL_DEADLINE_S + 1:
    raise ImproperlyConfigured(
        "LEASE_S must be more than CALL_DEADLINE_S + 1: a lease covers a whole call"
    )
FILE_WINDOW_SECONDS = env.number("FILE_WINDOW_SECONDS", 900)
RETRY_BASE_S = env.number("RETRY_BASE_S", 60, minimum=0.05)
RETRY_FACTOR = env.number("RETRY_FACTOR", 2 if SANDBOX else 4, minimum=1)
RETRY_CAP_S = env.number("RETRY_CAP_S", 10 if SANDBOX else 6 * 3600, minimum=0.05)
RETRY_LIMIT = env.whole("RETRY_LIMIT", 3, minimum=0)  # Repetitions after the first try.
# Per rail, e.g. RETRY_POLICY_SEPA_INSTANT="5,2,300,3": base, factor, cap (seconds), limit.
RETRY_POLICIES = retries.policies(
    default=(RETRY_BASE_S, RETRY_FACTOR, RETRY_CAP_S, RETRY_LIMIT),
    # What is promised in seconds is not worth a wait of hours.
    instant=(min(RETRY_BASE_S, 5.0), 2.0, min(RETRY_CAP_S, 300.0), RETRY_LIMIT),
)
# How long after a refusal for lack of money in our own account a payout is sent again.
FUND_RETRY_S = env.number("FUND_RETRY_S", 5 if SANDBOX else 900, minimum=0.05)
INQUIRY_FIRST_S = env.number("INQUIRY_FIRST_S", 5, minimum=0.05)
INQUIRY_HORIZON_S = env.number("INQUIRY_HORIZON_S", 120 if SANDBOX else 72 * 3600, minimum=1)
REPORT_POLL_S = env.number("REPORT_POLL_S", 60, minimum=0.05)
# How long a payee's bank may take to say whose account it is, and how long its word counts as lately.
PAYEE_CHECK_S = env.number("PAYEE_CHECK_S", 2, minimum=0.05)
PAYEE_CHECK_FRESH_S = env.number("PAYEE_CHECK_FRESH_S", 86400)
HEALTH_CHECK_S = env.number("HEALTH_CHECK_S", 2 if SANDBOX else 30, minimum=0.05)
HEALTH_DEADLINE_S = env.number("HEALTH_DEADLINE_S", 3, minimum=0.05)
BREAKER_FAILURES = env.whole("BREAKER_FAILURES", 5)
BREAKER_WINDOW_S = env.number("BREAKER_WINDOW_S", 60 if SANDBOX else 300, minimum=0.05)
BREAKER_PAUSE_S = env.number("BREAKER_PAUSE_S", 2 if SANDBOX else 30, minimum=0.05)
BREAKER_PAUSE_MAX_S = env.number("BREAKER_PAUSE_MAX_S", 10 if SANDBOX else 300, minimum=0.05)

# --- Choosing a route -----------------------------------------------------------------------------------
ROUTING_FAILURE_COST = env.amounts("ROUTING_FAILURE_COST", "*:2,XOF:1200")
STATISTICS_S = env.number("STATISTICS_S", 2 if SANDBOX else 30, minimum=0.05)
SIRA_URL = env.text("SIRA_URL", "")  # empty: the rules decide alone
SIRA_DEADLINE_MS = env.whole("SIRA_DEADLINE_MS", 300)
SIRA_PAUSE_S = env.number("SIRA_PAUSE_S", 10)

# --- People ---------------------------------------------------------------------------------------------
# Above this a second person must approve; a tenant's settings may say otherwise.
APPROVAL_LIMITS = env.amounts("APPROVAL_LIMITS", "*:10000,XOF:5000000")
APPROVAL_TTL_H = env.number("APPROVAL_TTL_H", 72, minimum=0.01)  # Then it is cancelled.
# How often rules are swept, and when they speak.
ALERT_SWEEP_S = env.number("ALERT_SWEEP_S", 60, minimum=1)
SLA_SWEEP_S = env.number("SLA_SWEEP_S", 300, minimum=1)
INVARIANTS_S = env.number("INVARIANTS_S", 600, minimum=1)
AT_RISK_MINUTES = env.whole("AT_RISK_MINUTES", 60)
IN_DOUBT_ALERT_S = env.number("IN_DOUBT_ALERT_S", 30 if SANDBOX else 900, minimum=0)
PAYOUT_HORIZON_DAYS = 366  # How far ahead `scheduledAt` may lie.

# --- Requests ---------------------------------------------------------------------------------------------
MAX_BODY_BYTES = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
BODY_DEADLINE_S = env.number("BODY_DEADLINE_S", 10, minimum=0.1)  # To send a whole body in.
LIST_LIMIT_MAX = 200

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_celery_beat",
    "django_prometheus",
    "payouts_project",
    "ledger",
    "payouts",
    "ops",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "payouts.api.requests.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "payouts.tenancy.StaffScope",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "payouts_project.urls"
WSGI_APPLICATION = "payouts_project.wsgi.application"
APPEND_SLASH = False
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
            ]
        },
    }
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "payouts.api.auth.MolamIdAuthentication",
        "payouts.api.auth.GatewayAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["payouts.api.auth.RolePermission"],
    "DEFAULT_PARSER_CLASSES": ["payouts.api.requests.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "payouts.api.problems.to_response",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Payouts engine",
    "DESCRIPTION": "Money out, exactly once.",
    "VERSION": "2025-11-13",
    "OAS_VERSION": "3.1.1",  # Its schemas are JSON Schema, so that examples and answers can be held against them.
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "StatusEnum": "payouts.models.Status",
        "PriorityEnum": "payouts.models.Priority",
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["payouts.api.auth.OpenInSandbox"],
    "SWAGGER_UI_DIST": "SIDECAR",
    # Without this the page would send the document to somebody else's validator.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Celery: a doorbell, never the record ---------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
# A ring goes back to the queue when whoever heard it dies. A lost one costs one poll, a doubled one nothing.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = (
    True  # What kills every worker is counted by its rows, not by its ring.
)
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # A worker waits for its broker as long as it takes.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 0.5,
    # Ringing never waits for a broker that is away (workers have their own, patient reconnection).
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
    "connect_retries_timeout": 0.5,
    "socket_timeout": 5,
    "visibility_timeout": 300,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_TIME_LIMIT = (
    240  # Before the broker takes a ring for lost; a turn of dispatch ends after one minute.
)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_TASK_DEFAULT_QUEUE = "payouts"
CELERY_BEAT_SCHEDULE = {
    "expire-payouts": {"task": "payouts.tasks.expire_payouts", "schedule": 60.0},
    "sweep-alerts": {"task": "payouts.tasks.sweep_alerts", "schedule": ALERT_SWEEP_S},
    "check-invariants": {"task": "payouts.tasks.check_invariants", "schedule": INVARIANTS_S},
}
if WORKER_ENABLE_SLA_MONITORING:
    CELERY_BEAT_SCHEDULE["sweep-sla"] = {"task": "payouts.tasks.sweep_sla", "schedule": SLA_SWEEP_S}

# --- Pages, time, logs -----------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["ops.roles.RoleBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
]
LOGIN_REDIRECT_URL = "/admin/"
STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = not SANDBOX
CSRF_COOKIE_SECURE = not SANDBOX
# TLS ends at a proxy in front of us (README), which says by this header, e.g. X-Forwarded-Proto, that a request
# came by https. It must overwrite what a client sent.
TLS_PROXY_HEADER = env.text("TLS_PROXY_HEADER", "")
SECURE_PROXY_SSL_HEADER = (
    (f"HTTP_{TLS_PROXY_HEADER.upper().replace('-', '_')}", "https") if TLS_PROXY_HEADER else None
)
SECURE_SSL_REDIRECT = not SANDBOX
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]  # asked from within
SECURE_HSTS_SECONDS = env.whole("HSTS_SECONDS", 0 if SANDBOX else 365 * 24 * 3600, minimum=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
PROMETHEUS_EXPORT_MIGRATIONS = False
_BLUE = {
    "50": "#eff6ff", "100": "#dbeafe", "200": "#bfdbfe", "300": "#93c5fd", "400": "#60a5fa", "500": "#3b82f6",
    "600": "#1d4ed8", "700": "#1e40af", "800": "#1e3a8a", "900": "#172554", "950": "#0f172a",
}  # fmt: skip
UNFOLD = {
    "SITE_TITLE": "Payouts",
    "SITE_HEADER": "Payouts workbench",
    "SITE_SYMBOL": "payments",
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "ops.admin.environment_badge",
    "DASHBOARD_CALLBACK": "ops.overview.dashboard",
    "COLORS": {"primary": _BLUE},
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": f"{STATIC_URL}ops/favicon.svg"}
    ],
    "STYLES": [f"{STATIC_URL}ops/workbench.css"],
    "SCRIPTS": [f"{STATIC_URL}ops/workbench.js"],
    "SIDEBAR": {"show_search": True, "navigation": "ops.navigation.navigation"},
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {"django.server": {"level": "WARNING"}, "httpcore": {"level": "WARNING"}},
}
