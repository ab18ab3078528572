"""Which fields hold secrets: what APISIX encrypts at rest, and so what is never shown to a model or a log.

Source: ``encrypt_fields`` of the plugins of APISIX 3.18. A dotted path crosses arrays without naming them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_CLOUD_AUTH = (
    "auth.header",
    "auth.query",
    "auth.gcp.service_account_json",
    "auth.aws.secret_access_key",
    "auth.aws.session_token",
)
_LOGIN = ("app_secret", "secret", "secret_fallbacks")
_REDIS = ("redis_password", "sentinel_password")

PLUGIN_SECRETS: Final[Mapping[str, tuple[str, ...]]] = {
    "ai-aliyun-content-moderation": ("access_key_secret",),
    "ai-aws-content-moderation": ("comprehend.secret_access_key",),
    "ai-cache": (
        "redis_password",
        "semantic.embedding.openai.api_key",
        "semantic.embedding.azure_openai.api_key",
    ),
    "ai-lakera-guard": ("api_key",),
    "ai-proxy": _CLOUD_AUTH,
    "ai-proxy-multi": (
        *(f"instances.{field}" for field in _CLOUD_AUTH),
        "semantic_opts.embeddings.auth.header",
        "semantic_opts.embeddings.auth.query",
    ),
    "ai-rag": ("embeddings_provider.azure_openai.api_key", "vector_search_provider.azure_ai_search.api_key"),
    "ai-rate-limiting": _REDIS,
    "authz-casdoor": ("client_secret",),
    "authz-keycloak": ("client_secret",),
    "aws-lambda": ("authorization.apikey", "authorization.iam.accesskey", "authorization.iam.secretkey"),
    "azure-functions": ("master_apikey", "authorization.apikey"),
    "basic-auth": ("password",),
    "cas-auth": ("cookie.secret",),
    "clickhouse-logger": ("password",),
    "csrf": ("key",),
    "dingtalk-auth": _LOGIN,
    "elasticsearch-logger": ("auth.password", "headers"),
    "error-log-logger": ("clickhouse.password", "kafka.brokers.sasl_config.password"),
    "feishu-auth": _LOGIN,
    "google-cloud-logging": ("auth_config.private_key",),
    "graphql-limit-count": (*_REDIS, "introspection_headers"),
    "hmac-auth": ("secret_key",),
    "http-logger": ("auth_header",),
    "jwe-decrypt": ("key", "secret"),
    "jwt-auth": ("secret",),
    "kafka-logger": ("brokers.sasl_config.password",),
    "kafka-proxy": ("sasl.password",),
    "key-auth": ("key",),
    "lago": ("token",),
    "ldap-auth-advanced": ("ldap_password",),
    "limit-conn": ("redis_password",),
    "limit-count": _REDIS,
    "limit-req": ("redis_password",),
    "loggly": ("customer_token",),
    "loki-logger": ("headers",),
    "openfunction": ("authorization.service_token",),
    "openid-connect": (
        "client_secret",
        "client_rsa_private_key",
        "dpop.private_key",
        "session.secret",
        "session.redis.password",
    ),
    "openwhisk": ("service_token",),
    "rocketmq-logger": ("secret_key",),
    "saml-auth": ("sp_private_key", "secret", "secret_fallbacks"),
    "sls-logger": ("access_key_secret",),
    "splunk-hec-logging": ("endpoint.token",),
    "tencent-cloud-cls": ("secret_key",),
}
"""Secret fields inside a plugin's configuration or metadata. Those of a resource are in ``Kind.secrets``."""
