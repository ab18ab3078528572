local regex = require "gatechat.regex"
local uri = require "gatechat.uri"

local function prepare(conf)
  if conf.regex_uri then conf.pattern = regex.new(conf.regex_uri[1]) end
end

local function filled(segments, ctx)
  local parts = {}
  for i, segment in ipairs(segments) do
    local value = segment
    if type(segment) == "table" then value = ctx:var(segment.v) end
    parts[i] = value == nil and "" or tostring(value)
  end
  return table.concat(parts)
end

-- The new address and the status, nil when the request goes on.
local function target(conf, ctx)
  if conf.https and (ctx:header "x-forwarded-proto" or ctx:var "scheme") ~= "https" then
    local method = ctx:method()
    return filled(conf.https, ctx), (method == "GET" or method == "HEAD") and 301 or 308
  end
  if conf.uri then return filled(conf.uri, ctx), conf.ret_code end
  if conf.pattern then
    local address, count = conf.pattern:replace(ctx:var "uri", conf.regex_uri[2])
    if count > 0 then return address, conf.ret_code end
  end
end

local function rewrite(conf, ctx)
  local address, status = target(conf, ctx)
  if not address then return end
  local query = address:find("?", 1, true)
  if conf.encode_uri then
    address = uri.escape_path(address:sub(1, (query or 0) - 1)) .. (query and address:sub(query) or "")
  end
  if conf.append_query_string and ctx:var "is_args" == "?" then
    address = address .. (query and "&" or "?") .. ctx:var "args"
  end
  -- A decoded path can hold a line break; in a header it would start another one.
  ctx:respond(status, nil, { location = uri.escape_controls(address) })
end

return { prepare = prepare, rewrite = rewrite }
