--[[ The request and its response as plugins see them: the `ctx` of the contract in runtime.lua.

One table per request. Its handle is Envoy's request handle, later the response's; between the two there is none, so that
nothing keeps a handle alive or uses a dead one.
]]

local json = require "gatechat.json"
local uri = require "gatechat.uri"
local random = require "gatechat.random"

local error, type, tostring, tonumber, pairs, ipairs = error, type, tostring, tonumber, pairs, ipairs
local setmetatable = setmetatable
local sub, find, lower, byte, gsub, match = string.sub, string.find, string.lower, string.byte, string.gsub, string.match
local concat, date, floor = table.concat, os.date, math.floor

local Ctx = {}
Ctx.__index = Ctx

-- Raised by ctx:respond, caught by the runtime.
local REPLY = {}

-- All fields from the start: a table that grows is made anew each time it is full.
local function new(handle)
  return setmetatable({
    handle = handle, fields = handle:headers(), stream = false, response = false, shared = {},
    scope = false, globals = false, chain = false, step = false, filtered = false, kept = false,
    consumer = false, head = false, client_method = false, client_path = false, client_args = false, early = false, reply = false, replied = false,
    node = false, new_body = false, request_id = false, uri_params = false,
  }, Ctx)
end

-- Between the phases: forget what belongs to the stream's request side. `unseen`: no function runs later, and the
-- response's body is left alone, as that of a HEAD.
function Ctx:release(unseen)
  self.head = unseen or (self.client_method or self.fields:get(":method")) == "HEAD"
  self.handle, self.fields, self.stream = false, false, false
end

-- From now on the response's. Again after a wait: Envoy's objects do not live through one.
function Ctx:respond_with(handle)
  self.handle, self.response, self.stream = handle, handle:headers(), false
end

local function stream_of(self)
  local stream = self.stream
  if not stream then
    stream = self.handle:streamInfo()
    self.stream = stream
  end
  return stream
end

Ctx.info = stream_of

local function of_request(self)
  return self.fields or error("the request is gone in the response's phases: list what you need in _vars", 3)
end

local function of_response(self)
  return self.response or error("there is no response yet", 3)
end

-- The request --------------------------------------------------------------------------------------------------------

function Ctx:header(name)
  if name == "host" or name == "Host" then name = ":authority" end
  return of_request(self):getAtIndex(name, 0)
end

local function put(fields, name, value)
  if not value or value == "" then
    fields:remove(name)
  elseif type(value) == "table" then
    fields:remove(name)
    for _, one in ipairs(value) do fields:add(name, tostring(one)) end
  else
    fields:replace(name, tostring(value))
  end
end

function Ctx:set_header(name, value)
  if name == "host" or name == "Host" then return self:set_host(value) end
  put(of_request(self), name, value)
end

function Ctx:add_header(name, value)
  of_request(self):add(name, tostring(value))
end

function Ctx:remove_header(name)
  of_request(self):remove(name)
end

function Ctx:method()
  return of_request(self):get(":method")
end

function Ctx:set_method(name)
  local fields = of_request(self)
  self.client_method = self.client_method or fields:get(":method")
  fields:replace(":method", name)
end

function Ctx:set_host(host)
  if host and host ~= "" then of_request(self):replace(":authority", host) end
end

function Ctx:path()
  local path = self.client_path
  if not path then
    path = of_request(self):get(":path")
    self.client_path = path
  end
  return path
end

function Ctx:upstream_path()
  return of_request(self):get(":path")
end

function Ctx:set_path(path)
  self:path()
  of_request(self):replace(":path", path)
end

local function split(path)
  local mark = find(path, "?", 1, true)
  if not mark then return path, nil end
  return sub(path, 1, mark - 1), sub(path, mark + 1)
end

function Ctx:args()
  local args = self.client_args
  if not args then
    local _, query = split(self:path())
    args = uri.decode_args(query)
    self.client_args = args
  end
  return args
end

function Ctx:arg(name)
  local value = self:args()[name]
  if type(value) == "table" then return value[1] end
  return value
end

function Ctx:set_args(args)
  local query = type(args) == "table" and uri.encode_args(args) or args
  local tail = query ~= "" and "?" .. query or ""
  local path = split(self:path())
  local upstream = split(self:upstream_path())
  self.client_path, self.client_args = path .. tail, false
  of_request(self):replace(":path", upstream .. tail)
end

function Ctx:cookie(name)
  local header = of_request(self):get("cookie")
  if not header then return nil end
  for key, value in string.gmatch(header, "%s*([^=;]+)=([^;]*)") do
    if key == name then return match(value, '^"(.*)"%s*$') or match(value, "^(.-)%s*$") end
  end
end

function Ctx:respond(status, body, headers)
  if self.response then error("ctx:respond works only in rewrite and access", 2) end
  if type(body) == "table" then body = json.encode(body) .. "\n" end
  local names = {}
  for name, value in pairs(headers or {}) do names[lower(name)] = value end
  self.reply = { status = status, body = body, headers = names }
  error(REPLY, 0)
end

-- The response -------------------------------------------------------------------------------------------------------

function Ctx:response_header(name)
  return of_response(self):getAtIndex(name, 0)
end

function Ctx:set_response_header(name, value)
  if self.response then return put(self.response, name, value) end
  local early = self.early
  if not early then
    early = {}
    self.early = early
  end
  early[#early + 1] = lower(name)
  early[#early + 1] = value or false
end

function Ctx:add_response_header(name, value)
  of_response(self):add(name, tostring(value))
end

function Ctx:remove_response_header(name)
  of_response(self):remove(name)
end

function Ctx:status()
  return tonumber(of_response(self):get(":status"))
end

function Ctx:set_status(status)
  of_response(self):replace(":status", tostring(status))
end

-- Whether the response may have a body; what is written after one that may not would be taken for the next response.
function Ctx:has_body()
  local status = self:status()
  return not self.head and status ~= 101 and status ~= 204 and status ~= 304
end

function Ctx:set_response_body(text)
  of_response(self)
  self.new_body = text
end

-- Both ---------------------------------------------------------------------------------------------------------------

function Ctx:time()
  return self.handle:timestamp() / 1000
end

function Ctx:log(level, text)
  local handle = self.handle
  text = "gatechat: " .. text
  if level == "err" then handle:logErr(text)
  elseif level == "warn" then handle:logWarn(text)
  else handle:logInfo(text) end
end

-- "10.0.0.1:80" and "[::1]:80" -> address, port
local function address_and_port(text)
  local address, port = match(text, "^%[?(.-)%]?:(%d+)$")
  return address or text, port
end

-- Each takes the context of a request whose headers are there.
local variables = {
  uri = function(ctx) return uri.decode((split(ctx:path()))) end,
  request_uri = function(ctx)
    local path, query = split(ctx:path())
    return uri.decode(path) .. (query and "?" .. query or "")
  end,
  real_request_uri = function(ctx) return ctx:path() end,
  upstream_uri = function(ctx) return ctx:upstream_path() end,
  args = function(ctx)
    local _, query = split(ctx:path())
    return query
  end,
  is_args = function(ctx)
    local _, query = split(ctx:path())
    return query and query ~= "" and "?" or ""
  end,
  host = function(ctx)
    local host = lower(of_request(ctx):get(":authority") or "")
    return gsub(host, ":%d+$", ""), nil
  end,
  request_method = Ctx.method,
  content_type = function(ctx) return of_request(ctx):get("content-type") end,
  content_length = function(ctx) return of_request(ctx):get("content-length") end,
  remote_addr = function(ctx)
    return of_request(ctx):get("x-gatechat-addr") or (address_and_port(stream_of(ctx):downstreamDirectRemoteAddress()))
  end,
}
variables.method = variables.request_method
variables.document_uri = variables.uri
variables.query_string = variables.args
variables.realip_remote_addr = variables.remote_addr
variables.binary_remote_addr = variables.remote_addr

-- Each works in every phase.
local anywhere = {
  remote_port = function(ctx)
    local _, port = address_and_port(stream_of(ctx):downstreamDirectRemoteAddress())
    return port
  end,
  server_addr = function(ctx) return (address_and_port(stream_of(ctx):downstreamLocalAddress())) end,
  server_port = function(ctx)
    local _, port = address_and_port(stream_of(ctx):downstreamLocalAddress())
    return port
  end,
  server_protocol = function(ctx)
    local protocol = stream_of(ctx):protocol()
    return protocol == "HTTP/2" and "HTTP/2.0" or protocol
  end,
  scheme = function(ctx) return ctx.handle:connection():ssl() and "https" or "http" end,
  https = function(ctx) return ctx.handle:connection():ssl() and "on" or "" end,
  ssl_server_name = function(ctx) return stream_of(ctx):requestedServerName() end,
  consumer_name = function(ctx) return ctx.consumer and ctx.consumer.username or nil end,
  consumer_group_id = function(ctx) return ctx.consumer and ctx.consumer.group_id or nil end,
  route_id = function(ctx) return ctx.scope.route_id end,
  route_name = function(ctx) return ctx.scope.route_name end,
  service_id = function(ctx) return ctx.scope.service_id end,
  service_name = function(ctx) return ctx.scope.service_name end,
  request_id = function(ctx)
    local id = ctx.request_id
    if not id then
      id = random.hex(16)
      ctx.request_id = id
    end
    return id
  end,
  msec = function(ctx) return string.format("%.3f", ctx:time()) end,
  time_iso8601 = function(ctx)
    local text = date("%Y-%m-%dT%H:%M:%S%z", floor(ctx:time()))
    return sub(text, 1, -3) .. ":" .. sub(text, -2)
  end,
  time_local = function(ctx) return date("%d/%b/%Y:%H:%M:%S %z", floor(ctx:time())) end,
  status = function(ctx) return ctx.response and ctx.response:get(":status") or nil end,
  upstream_addr = function(ctx) return ctx.node or nil end,
  balancer_ip = function(ctx) return ctx.node and (address_and_port(ctx.node)) or nil end,
  balancer_port = function(ctx)
    local _, port = address_and_port(ctx.node or "")
    return port
  end,
  upstream_status = function(ctx) return ctx.response and not ctx.replied and ctx.response:get(":status") or nil end,
}
anywhere.apisix_request_id = anywhere.request_id

local function uri_param(ctx, name)
  local found = ctx.uri_params
  if not found then
    found = uri.params(ctx.scope.uris, (split(ctx:path())))
    ctx.uri_params = found
  end
  return found[name]
end

function Ctx:var(name)
  local general = anywhere[name]
  if general then return general(self) end
  if self.response then
    if sub(name, 1, 10) == "sent_http_" then return self.response:get((gsub(sub(name, 11), "_", "-"))) end
    if sub(name, 1, 14) == "upstream_http_" then return self.response:get((gsub(sub(name, 15), "_", "-"))) end
    local value = self.kept and self.kept[name]
    if value == false then return nil end
    return value
  end
  local getter = variables[name]
  if getter then return (getter(self)) end
  if sub(name, 1, 4) == "arg_" then return self:arg(sub(name, 5)) end
  if sub(name, 1, 5) == "http_" then
    local header = gsub(lower(sub(name, 6)), "_", "-")
    if header == "host" then header = ":authority" end
    local headers = of_request(self)
    return headers:get(header) or headers:get(lower(sub(name, 6))) -- nginx finds a_b and a-b under one name
  end
  if sub(name, 1, 7) == "cookie_" then return self:cookie(sub(name, 8)) end
  if sub(name, 1, 10) == "uri_param_" then return uri_param(self, sub(name, 11)) end
end

-- Source: resolve_var of APISIX: $name, ${name} and ${name ?? default}, where \$ is a plain dollar. `captures` are what
-- $1 and ${1} mean, `escape` is applied to each value. Second result: how many variables had a value or a default.
function Ctx:resolve(template, escape, captures)
  if not find(template, "$", 1, true) then return template, 0 end
  local parts, from, resolved = {}, 1, 0
  while true do
    local at = find(template, "$", from, true)
    if not at then break end
    parts[#parts + 1] = sub(template, from, at - 1)
    local escaped = at > 1 and byte(template, at - 1) == 92
    local _, stop, inner = find(template, "^{%s*([^}]-)%s*}", at + 1)
    if not stop and captures then _, stop, inner = find(template, "^(%d+)", at + 1) end
    if not stop then _, stop, inner = find(template, "^([%w_%.]+)", at + 1) end
    if escaped or not stop or inner == "" then
      parts[#parts + 1] = "$"
      from = at + 1
    else
      local name, default = match(inner, "^(.-)%s*%?%?%s*(.*)$")
      local number = captures and tonumber(inner)
      local value = number and (captures[number] or "")
      if not number then value = self:var(name or inner) end
      if value == nil then value = default end
      if value ~= nil then
        resolved = resolved + 1
        value = tostring(value)
        parts[#parts + 1] = escape and escape(value) or value
      end
      from = stop + 1
    end
  end
  parts[#parts + 1] = sub(template, from)
  return concat(parts), resolved
end

return { new = new, REPLY = REPLY }
