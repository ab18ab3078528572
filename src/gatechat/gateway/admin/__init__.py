"""The Admin API v3 of APISIX 3.18: HTTP in, JSON out. One implementation, driven by the table of kinds."""

from gatechat.gateway.admin.access import AdminSettings
from gatechat.gateway.admin.app import create_admin_app

__all__ = ["AdminSettings", "create_admin_app"]
