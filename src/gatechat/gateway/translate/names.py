"""Names that several of the translated resources, and our Lua, share."""

ROUTES = "gatechat"
LISTENER = "gatechat"
LUA_FILTER = "gatechat.lua"
HOST_FILTER = "gatechat.host"
PRIVATE_PREFIX = "x-gatechat-"
"""Headers that steer the routing. A client cannot send them and an upstream never sees them."""
PATH = "x-gatechat-path"
ADDRESS = "x-gatechat-addr"
NODE = "x-gatechat-node"
"""Of a response on its way to our Lua, which takes it off: the address of the node that answered."""
CHOSEN_ROUTE = "x-gatechat-route"
PRIVATE = (PATH, ADDRESS, CHOSEN_ROUTE)
