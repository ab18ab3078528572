-- The Lua modules that test blocks require. What is not here, and not in the checkout's t/lib, is not applicable.
local host, json = ...
local modules = {}
local loaders = {}

local function lower_case(headers)
    local result = ngx.insensitive()
    headers(function(name, value)
        name = name:lower()
        local old = result[name]
        if old == nil then
            result[name] = value
        elseif type(old) == "table" then
            old[#old + 1] = value
        else
            result[name] = {old, value}
        end
    end)
    return result
end

local http = {_VERSION = "judge"}
http.__index = http

function http.new()
    return setmetatable({}, http)
end

function http:set_timeout() end
function http:set_timeouts() end
function http:set_keepalive() return 1 end
function http:close() return 1 end

local function pairs_of(headers)
    local list = {}
    for name, value in pairs(headers or {}) do
        for _, item in ipairs(type(value) == "table" and value or {value}) do
            list[#list + 1] = name
            list[#list + 1] = tostring(item)
        end
    end
    return list
end

local function query_of(params, uri)
    if not params.query or params.query == "" then
        return uri
    end
    local query = type(params.query) == "table" and ngx.encode_args(params.query) or params.query:gsub("^?", "")
    return uri .. (uri:find("?", 1, true) and "&" or "?") .. query
end

function http:request_uri(uri, params)
    params = params or {}
    local body = params.body
    if type(body) == "table" then
        body = table.concat(body)
    end
    local res, err = ngx.waiting(host.request, params.method or "GET", query_of(params, uri), pairs_of(params.headers),
                                 body or "", params.version or 1.1)
    if not res then
        return nil, err
    end
    return {status = res.status(), reason = res.reason(), headers = lower_case(res.each_header), body = res.body(),
            has_body = res.body() ~= "", read_body = function() return res.body() end}
end

function http:connect(address, port)
    if type(address) == "table" then
        address, port = address.host, address.port
    end
    self.origin = "http://" .. address .. ":" .. port
    return 1
end

function http:request(params)
    return self:request_uri(self.origin .. (params.path or "/"), params)
end

function http:parse_uri(uri)
    local scheme, address, port, path = uri:match("^(%a+)://([^:/]+):?(%d*)(.*)$")
    return {scheme, address, tonumber(port) or 80, path ~= "" and path or "/"}
end

-- The upstream's websocket: the handshake and the frames it sends, all at once.
local websocket = {}
websocket.__index = websocket

function websocket.new()
    local headers = ngx.req.get_headers()
    if (headers["upgrade"] or ""):lower() ~= "websocket" then
        return nil, 'bad "upgrade" request header: ' .. tostring(headers["upgrade"])
    end
    ngx.status = 101
    ngx.header["Upgrade"] = "websocket"
    ngx.header["Sec-WebSocket-Accept"] = host.websocket_accept(headers["sec-websocket-key"] or "")
    ngx.header["Sec-WebSocket-Protocol"] = headers["sec-websocket-protocol"]
    return setmetatable({}, websocket)
end

function websocket:send_text(text)
    ngx.print(string.char(0x81, #text), text)
    return #text
end

modules["resty.websocket.server"] = websocket
modules["resty.http"] = http
modules["cjson"] = json.cjson
modules["cjson.safe"] = json.safe
modules["toolkit.json"] = json.toolkit
modules["t.toolkit.json"] = json.toolkit
modules["dkjson"] = json.toolkit
modules["resty.core"] = {}
modules["resty.aes"] = {}
modules["table.new"] = function() return {} end
modules["table.nkeys"] = function(value) local count = 0 for _ in pairs(value) do count = count + 1 end return count end
modules["table.clear"] = function(value) for key in pairs(value) do value[key] = nil end end
modules["table.isempty"] = function(value) return next(value) == nil end
modules["resty.string"] = {to_hex = function(text)
    return (text:gsub(".", function(char) return string.format("%02x", char:byte()) end))
end}
modules["ngx.re"] = {split = function(text, pattern)
    local parts, at = {}, 1
    while true do
        local from, to = ngx.re.find(text, pattern, "", {pos = at})
        if not from or to < from then
            break
        end
        parts[#parts + 1] = text:sub(at, from - 1)
        at = to + 1
    end
    parts[#parts + 1] = text:sub(at)
    return parts
end}

-- What the tests read of apisix.core. core.etcd reads through the Admin API: what is stored is what it shows.
local function deepcopy(value)
    if type(value) ~= "table" then
        return value
    end
    local copy = setmetatable({}, getmetatable(value))
    for key, item in pairs(value) do
        copy[key] = deepcopy(item)
    end
    return copy
end

local function missing(path)
    return setmetatable({}, {__index = function(_, name) error({unsupported = path .. "." .. tostring(name)}) end})
end

local quiet = setmetatable({}, {__index = function() return function() end end})

local etcd = missing("apisix.core.etcd")
rawset(etcd, "get", function(key, is_dir)
    local res = assert(http:request_uri("http://127.0.0.1:1984/apisix/admin" .. key))
    if is_dir or (res.status ~= 200 and res.status ~= 404) then
        error({unsupported = "apisix.core.etcd.get of a folder"})
    end
    local node = json.safe.decode(res.body)
    return {status = res.status, body = {node = node}, headers = res.headers}
end)

local tables = {insert = table.insert, concat = table.concat, sort = table.sort, remove = table.remove,
                deepcopy = deepcopy, clone = deepcopy, nkeys = modules["table.nkeys"], clear = modules["table.clear"],
                new = function() return {} end}

function tables.array_find(array, value)
    for index, item in ipairs(array) do
        if item == value then
            return index
        end
    end
end

local core = missing("apisix.core")
for name, module in pairs({
    json = {encode = json.safe.encode, decode = json.safe.decode, delay_encode = json.safe.encode,
            stably_encode = json.toolkit.encode, null = ngx.null},
    table = setmetatable(tables, getmetatable(missing("apisix.core.table"))),
    string = {find = function(text, part, from) return string.find(text, part, from or 1, true) end,
              has_prefix = function(text, part) return text:sub(1, #part) == part end,
              has_suffix = function(text, part) return #part == 0 or text:sub(-#part) == part end,
              format = string.format, lower = string.lower, upper = string.upper},
    log = quiet,
    etcd = etcd,
    schema = {TYPE_CONSUMER = 1, TYPE_METADATA = 2},
    sleep = ngx.sleep,
}) do
    rawset(core, name, module)
end
modules["apisix.core"] = core
modules["apisix.core.json"] = core.json
modules["apisix.core.etcd"] = etcd
modules["apisix.core.table"] = core.table

-- plugin.check_schema(conf) is asked of the Admin API: the same verdict, in the gateway's own words
function loaders.plugin(name)
    local plugin = missing("apisix.plugins." .. name)
    rawset(plugin, "check_schema", function(conf, kind)
        local defaults, err = host.check_schema(name, json.safe.encode(conf), kind or 0)
        for field, value in pairs(json.safe.decode(defaults)) do
            if conf[field] == nil then
                conf[field] = value
            end
        end
        return err == nil, err
    end)
    return plugin
end

package.preload = {}
package.loaders = {function(name)
    local module = modules[name]
    if module ~= nil then
        return function() return module end
    end
    local plugin = name:match("^apisix%.plugins%.([%w-]+)$")
    if plugin then
        return function() return loaders.plugin(plugin) end
    end
    if name:find("^lib%.") then
        local chunk = host.checkout_module(name)
        if chunk then
            return assert(loadstring(chunk, "=t/" .. name:gsub("%.", "/") .. ".lua"))
        end
    end
    error({unsupported = "the Lua module " .. name})
end}
