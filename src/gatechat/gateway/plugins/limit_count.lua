local shm = require "gatechat.shm"
local settings = require "gatechat.settings"
local metadata = require "gatechat.metadata"

local floor, ceil = math.floor, math.ceil

local BIGGEST = 2 ^ 53 - 1

local counters

local function names_of_headers(conf, prefix)
  local own = metadata["limit-count"] or {}
  local names = {
    own.limit_header or "X-RateLimit-Limit",
    own.remaining_header or "X-RateLimit-Remaining",
    own.reset_header or "X-RateLimit-Reset",
  }
  if prefix then
    for i, name in ipairs(names) do names[i] = name:gsub("RateLimit%-", (prefix:gsub("%%", "%%%%")) .. "-RateLimit-", 1) end
  end
  return names
end

local function prepare(conf)
  conf.headers = names_of_headers(conf)
  for i, rule in ipairs(conf.rules or {}) do
    rule.headers = names_of_headers(conf, rule.header_prefix or tostring(i))
  end
end

-- A count or time_window: a number, or a template that must give one.
local function number_of(value, ctx)
  if type(value) == "number" then return value end
  local number = tonumber((ctx:resolve(value)))
  if not number then return nil, "resolved value is not a number: " .. value end
  if number <= 0 then return nil, "resolved value must be a positive number, got: " .. number end
  if number ~= floor(number) then return nil, "resolved value must be an integer, got: " .. number end
  if number > BIGGEST then return nil, "resolved value exceeds safe integer range (2^53-1), got: " .. number end
  return number
end

local function key_of(conf, ctx)
  local key, resolved = conf.key, 1
  if conf.key_type == "var" then
    key = ctx:var(key)
  elseif conf.key_type == "var_combination" then
    key, resolved = ctx:resolve(key)
  end
  if key == nil or resolved == 0 then return ctx:var "remote_addr" end
  return tostring(key)
end

-- Seconds with two decimals, as text: numbers with a fraction take LuaJIT long to print.
local HUNDREDTHS = { [0] = "" }
for i = 1, 99 do HUNDREDTHS[i] = tostring(i / 100):sub(2) end

local function seconds(hundredths)
  local whole = floor(hundredths / 100)
  return whole .. HUNDREDTHS[hundredths - whole * 100]
end

-- used, seconds left as text, refused; nil, problem
local function counted(conf, key, count, window)
  if not counters then
    local problem
    counters, problem = shm.open(settings.shm_path)
    if not counters then return nil, problem end
  end
  if conf.window_type == "sliding" then
    local accepted, used, before, left = counters:sliding(key, 1, count, window)
    if accepted == nil then return nil, used end
    if not accepted and used < count and before > 0 then
      left = math.max(left - (count - used) * window / before, 0)
    end
    return used + floor(before * left / window), seconds(ceil(left * 100)), not accepted
  end
  local used, left = counters:fixed(key, 1, window)
  if not used then return nil, left end
  return used, used == 1 and window or seconds(floor(left * 100)), used > count
end

local function fail(conf, ctx, problem, body)
  ctx:log("err", "limit-count: " .. problem)
  if not conf.allow_degradation then ctx:respond(500, body) end
end

-- One limit: the whole configuration, or one of its rules.
local function limit(conf, ctx, rule, key)
  local count, problem = number_of(rule.count, ctx)
  local window
  if count then window, problem = number_of(rule.time_window, ctx) end
  if not window then return fail(conf, ctx, problem) end
  local scope = conf.scope
  if not scope then
    scope = (conf.group or (ctx.step.owner .. ":" .. conf.version)) .. ":"
    conf.scope = scope
  end
  local used, left, refused = counted(conf, scope .. key, count, window)
  if not used then return fail(conf, ctx, left, { error_msg = "failed to limit count" }) end
  if conf.show_limit_quota_header then
    local names = rule.headers
    ctx:set_response_header(names[1], count)
    ctx:set_response_header(names[2], refused and 0 or count - used)
    ctx:set_response_header(names[3], left)
  end
  if refused then
    ctx:respond(conf.rejected_code, conf.rejected_msg and { error_msg = conf.rejected_msg })
  end
end

local function access(conf, ctx)
  if not conf.rules then return limit(conf, ctx, conf, key_of(conf, ctx)) end
  local applied = false
  for _, rule in ipairs(conf.rules) do
    local key, resolved = ctx:resolve(rule.key)
    if resolved > 0 then
      applied = true
      limit(conf, ctx, rule, key)
    end
  end
  if not applied then fail(conf, ctx, "no rule applies to this request") end
end

return { prepare = prepare, access = access }
