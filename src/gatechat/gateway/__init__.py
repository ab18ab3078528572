"""An APISIX-compatible gateway for one machine: the Admin API in Python, the traffic in Envoy."""
