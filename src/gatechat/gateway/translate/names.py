"""Names that several of the translated resources, and our Lua, share."""

ROUTES = "gatechat"
LISTENER = "gatechat"
LUA_FILTER = "gatechat.lua"
HOST_FILTER = "gatechat.host"
PRIVATE_PREFIX = "x-gatechat-"
"""Headers that steer the routing. A client cannot send them and an upstream never sees them."""
PATH = "x-gatechat-path"
ADDRESS = "x-gatechat-addr"
CHOSEN_ROUTE = "x-gatechat-route"
PRIVATE = (PATH, ADDRESS, CHOSEN_ROUTE)
