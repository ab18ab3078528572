local regex = require "gatechat.regex"
local metadata = require "gatechat.metadata"

local ALL_METHODS = "GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS,CONNECT,TRACE"

local function prepare(conf)
  for _, field in ipairs { "allow_origins_by_regex", "timing_allow_origins_by_regex" } do
    if conf[field] then conf[field] = regex.matcher(conf[field]) end
  end
end

-- What a list of origins answers to this one. A single origin is answered whoever asks, a list only to its members.
local function from_list(origins, origin)
  if origins == "**" then return origin or "*" end
  if not origins:find(",", 1, true) then return origins end
  for one in origins:gmatch "[^,]+" do
    if one == origin then return origin end
  end
end

local function from_regex(matches, origin)
  return origin and matches(origin) and origin or nil
end

local function from_metadata(names, origin)
  local known = (metadata.cors or {}).allow_origins or {}
  for _, name in ipairs(names) do
    local allowed = known[name] and from_list(known[name], origin)
    if allowed and (allowed == origin or allowed == "*") then return origin end
  end
end

-- The value of Access-Control-Allow-Origin, nil when the origin may not. By metadata first; then, unless it is left at
-- "*" beside metadata, by the route's own fields.
local function allowed_origin(conf, origin)
  local names = conf.allow_origins_by_metadata
  local allowed = names and from_metadata(names, origin)
  if allowed then return allowed end
  if names and conf.allow_origins == "*" then return nil end
  if conf.allow_origins_by_regex then return from_regex(conf.allow_origins_by_regex, origin) end
  allowed = from_list(conf.allow_origins, origin)
  return (allowed == origin or allowed == "*") and allowed or nil
end

local function allowed_timing(conf, origin)
  if conf.timing_allow_origins_by_regex then return from_regex(conf.timing_allow_origins_by_regex, origin) end
  local allowed = conf.timing_allow_origins and from_list(conf.timing_allow_origins, origin)
  return (allowed == origin or allowed == "*") and allowed or nil
end

local function rewrite(conf, ctx)
  ctx.shared.cors_origin = ctx:header "origin"
  ctx.shared.cors_headers = ctx:header "access-control-request-headers"
  if ctx:method() == "OPTIONS" then ctx:respond(200) end
end

local function header_filter(conf, ctx)
  local origin = ctx.shared.cors_origin
  if conf.allow_origins ~= "*" then ctx:add_response_header("Vary", "Origin") end
  local allowed = allowed_origin(conf, origin)
  if allowed then
    local methods, headers = conf.allow_methods, conf.allow_headers
    ctx:set_response_header("Access-Control-Allow-Origin", allowed)
    ctx:set_response_header("Access-Control-Allow-Methods", methods == "**" and ALL_METHODS or methods)
    ctx:set_response_header("Access-Control-Max-Age", conf.max_age)
    if headers == "**" then headers = ctx.shared.cors_headers end
    ctx:set_response_header("Access-Control-Allow-Headers", headers)
    if conf.expose_headers and conf.expose_headers ~= "" then
      ctx:set_response_header("Access-Control-Expose-Headers", conf.expose_headers)
    end
    if conf.allow_credential then ctx:set_response_header("Access-Control-Allow-Credentials", "true") end
  end
  local timing = allowed_timing(conf, origin)
  if timing then ctx:set_response_header("Timing-Allow-Origin", timing) end
end

return { prepare = prepare, rewrite = rewrite, header_filter = header_filter }
