local regex = require "gatechat.regex"
local uri = require "gatechat.uri"

local function prepare(conf)
  for _, pair in ipairs(conf.regex_uri or {}) do pair[1] = regex.new(pair[1]) end
end

local function escape_mark(value)
  return (value:gsub("?", "%%3F"))
end

-- The new path before encoding, whether a "?" in it begins a query, and what regex_uri captured.
local function rewritten(conf, ctx, path, query)
  if conf.uri then
    local new = ctx:resolve(conf.uri, escape_mark)
    if query ~= "" then new = new .. (new:find("?", 1, true) and "&" .. query:sub(2) or query) end
    return new, true
  end
  if not conf.regex_uri then return path, false end
  local plain = not path:find("?", 1, true)
  for _, pair in ipairs(conf.regex_uri) do
    local first, _, captures = pair[1]:find(path)
    if first then
      return (pair[1]:replace(path, pair[2])), plain, captures
    end
  end
  return path, plain
end

-- The path as it may stand in a request line; its query goes through as it is but for control characters.
local function encoded(path, has_query)
  local mark = has_query and path:find("?", 1, true)
  if not mark then return uri.escape_path(path), false end
  return uri.escape_path(path:sub(1, mark - 1)) .. uri.escape_controls(path:sub(mark)), true
end

local function upstream_path(conf, ctx)
  if conf.use_real_request_uri_unsafe then
    local real = ctx:var "real_request_uri"
    local mark = real:find("?", 1, true)
    local path, _, captures = rewritten(conf, ctx, real, mark and real:sub(mark) or "")
    return uri.escape_controls(path), captures
  end
  local new, has_query, captures = rewritten(conf, ctx, ctx:var "uri", "")
  local path, brings_query = encoded(new, has_query)
  if ctx:var "is_args" == "?" then path = path .. (brings_query and "&" or "?") .. ctx:var "args" end
  return path, captures
end

local function rewrite(conf, ctx)
  if conf.host then ctx:set_host(conf.host) end
  local path, captures = upstream_path(conf, ctx)
  if path ~= ctx:upstream_path() then ctx:set_path(path) end
  captures = captures or {}
  for _, header in ipairs(conf.add or {}) do
    for _, value in ipairs(header[2]) do ctx:add_header(header[1], (ctx:resolve(value, nil, captures))) end
  end
  for _, header in ipairs(conf.set or {}) do
    local values = {}
    for i, value in ipairs(header[2]) do values[i] = ctx:resolve(value, nil, captures) end
    if header[1]:lower() == "x-forwarded-for" then -- the proxy adds the client's address, whoever wrote the rest
      values = { table.concat(values, ", ") .. ", " .. ctx:var "remote_addr" }
    end
    ctx:set_header(header[1], values[2] and values or values[1])
  end
  for _, name in ipairs(conf.remove or {}) do ctx:remove_header(name) end
  if conf.method then ctx:set_method(conf.method) end
end

return { prepare = prepare, rewrite = rewrite }
