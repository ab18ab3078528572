"""What clients are told when an upstream fails, in APISIX's status codes and words instead of Envoy's."""

from __future__ import annotations

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm

from gatechat.gateway.translate import pages


def local_replies() -> hcm.LocalReplyConfig:
    """nginx answers 504 when an upstream took too long, also to connect, and 502 when it failed otherwise.

    The flags are Envoy's response flags: UF connection failed, UC it was closed, UR the stream was reset, UPE
    protocol error, URX retries used up, UH no node, UT upstream timeout, SI idle stream.
    """
    return hcm.LocalReplyConfig(
        mappers=[
            _mapper(_timed_out_connecting(), 504),
            _mapper(_flags("UH", "NC"), 503),
            _mapper(_flags("UT"), 504),
            _mapper(_flags("UF", "UC", "UR", "LR", "UPE", "URX", "DF"), 502),
            _mapper(_all_of(_flags("SI"), _status(504)), 504),
            _mapper(_all_of(_flags("SI"), _status(408)), 408),
        ]
    )


def _mapper(when: accesslog_pb2.AccessLogFilter, status: int) -> hcm.ResponseMapper:
    mapper = hcm.ResponseMapper(filter=when)
    mapper.status_code.value = status
    if status in (502, 504):
        header = mapper.headers_to_add.add().header
        header.key, header.value = "x-apisix-upstream-status", str(status)
    mapper.body_format_override.text_format_source.inline_string = pages.page(status)
    mapper.body_format_override.content_type = pages.HTML
    return mapper


def _flags(*flags: str) -> accesslog_pb2.AccessLogFilter:
    return accesslog_pb2.AccessLogFilter(response_flag_filter=accesslog_pb2.ResponseFlagFilter(flags=flags))


def _status(code: int) -> accesslog_pb2.AccessLogFilter:
    out = accesslog_pb2.AccessLogFilter()
    out.status_code_filter.comparison.value.default_value = code
    out.status_code_filter.comparison.value.runtime_key = "unused"
    return out


def _all_of(*filters: accesslog_pb2.AccessLogFilter) -> accesslog_pb2.AccessLogFilter:
    return accesslog_pb2.AccessLogFilter(and_filter=accesslog_pb2.AndFilter(filters=filters))


def _timed_out_connecting() -> accesslog_pb2.AccessLogFilter:
    out = accesslog_pb2.AccessLogFilter()
    out.extension_filter.name = "envoy.access_loggers.extension_filters.cel"
    out.extension_filter.typed_config.Pack(
        cel_pb2.ExpressionFilter(expression="response.code_details.contains('connection_timeout')")
    )
    return out
