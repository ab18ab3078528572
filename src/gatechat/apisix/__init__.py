"""The vocabulary both halves share: APISIX's resource kinds, their schemas, its words for what is wrong."""
