"""The bodies of the answers that the gateway gives itself, as APISIX (nginx) words them."""

from __future__ import annotations

NOT_FOUND = '{"error_msg":"404 Route Not Found"}\n'
"""Source: http_access_phase in APISIX's apisix/init.lua."""

PLAIN_TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

TITLES = {
    404: "404 Not Found",
    408: "408 Request Time-out",
    413: "413 Request Entity Too Large",
    500: "500 Internal Server Error",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}
"""nginx's words (ngx_http_special_response.c): clients of APISIX look for them."""


def page(status: int) -> str:
    title = TITLES[status]
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>gatechat</center>\r\n</body>\r\n</html>\r\n"
    )
