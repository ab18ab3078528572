--[[ Runs the plugins of a request inside Envoy.

The contract of a plugin's Lua file
-----------------------------------
`plugins/NAME.lua` returns a table with any of these functions. `conf` is what `Plugin.compile` returned.

    rewrite(conf, ctx)               before the consumer's plugins are merged; auth plugins set the consumer here
    access(conf, ctx)                after it
    header_filter(conf, ctx)         the response's headers, also those of answers made by ctx:respond and by Envoy
    body_filter(conf, ctx, body)     returns the new body; the whole body is buffered first
    prepare(conf)                    once per worker when the configuration is first used; may add fields to conf

An error in any of them ends the request with a 500. Name in Python's `phases` exactly the functions that can do
something with a configuration (`Plugin.phases_of(conf)`): an entry into the response costs time, a body_filter buffers.
Modules: every file of this folder (`require "gatechat.json"`), `"gatechat.settings"` (`shm_path`) and
`"gatechat.metadata"` (plugin name -> its plugin_metadata).

The request, in rewrite and access
    ctx:method()                     "GET"
    ctx:path()                       path and query as the client sent them (normalised by Envoy)
    ctx:header(name)                 first value or nil; "host" works
    ctx:set_header(name, value)      nil or "" removes; ctx:add_header(name, value); ctx:remove_header(name)
    ctx:arg(name)                    first value of a query argument, decoded; true for "?a", nil when not there
    ctx:args()                       table: name -> string | true | list of them
    ctx:set_args(table | string)     replaces the query, for later plugins and for the upstream
    ctx:upstream_path()              path and query that will be sent upstream
    ctx:set_path(path)               sets it (with its query); ctx:path() and $uri keep the client's
    ctx:set_method(name), ctx:set_host(name)
    ctx:cookie(name)
    ctx:respond(status, body, headers)
                                     ends the request (does not return). body: string, or table sent as JSON + "\n";
                                     headers: name -> string | list. _meta.error_response replaces the body from 400 on
    ctx:set_response_header(name, value)
                                     may be called early: it is put on the response when that comes. The plugin then
                                     has "header_filter" in its phases, with or without such a function.
In every phase
    ctx:var(name)                    an nginx or APISIX variable, nil when unknown or not there (list: context.lua)
    ctx:resolve("/x$uri/${arg_a ?? none}")
                                     a template; unknown variables are empty; "\$" keeps a dollar (more: context.lua)
    ctx.shared                       a table for the plugins of this request, from its first phase to its last
    ctx.step.owner                   the resource that the running configuration belongs to ("routes/1"), where Python
                                     says that the plugin `counts`
    ctx.consumer                     {username=, group_id=, custom_id=, credential_id=} or nil
    ctx.scope                        {route_id=, route_name=, service_id=, service_name=}, as far as there are any
    ctx:time()                       seconds since the epoch with milliseconds
    ctx:log(level, text)             "info" | "warn" | "err"; never log keys, headers or bodies
The response, in header_filter and body_filter
    ctx:response_header(name), ctx:set_response_header(name, value), ctx:add_response_header(name, value),
    ctx:remove_response_header(name), ctx:status(), ctx:set_status(number)
    ctx:set_response_body(text)      replaces the body without looking at it
    ctx:has_body()                   false for HEAD, 101, 204 and 304, whose body functions do not run
    ctx.replied                      true when the answer was made by ctx:respond
    Variables of the request (uri, arg_*, http_*, cookie_*, ...) are kept for the response only when they are asked for:
    a configuration lists their names in the field `_vars` (Python: `plugin.variables(template)` finds them), and
    everything under `_meta.filter` is kept by itself. ctx:header() and ctx:arg() do not work there.
]]

local cache = require "gatechat.cache"
local json = require "gatechat.json"
local expr = require "gatechat.expr"
local context = require "gatechat.context"
local consumers = require "gatechat.consumers"
local plugins = require "gatechat.plugins"

local pcall, pairs, ipairs, next, tostring, error = pcall, pairs, ipairs, next, tostring, error
local setmetatable, sort = setmetatable, table.sort
local setfenv = debug.setfenv

local REPLY = context.REPLY
local METADATA = "gatechat"

-- Programs -----------------------------------------------------------------------------------------------------------

-- Decoded programs, and for each program the chains of the consumers that came through it.
local programs = cache.new(4096)
local MERGED = 1024

-- An entry of a program (program.py) in the form that runs. run: phase -> function, false where only headers that were
-- set early wait for that phase.
local function step_from(entry)
  local code = plugins[entry.n]
  if not code then error("no Lua for plugin " .. tostring(entry.n)) end
  local conf = entry.c or {}
  if code.prepare then code.prepare(conf) end
  local run = {}
  for _, phase in ipairs(entry.p) do run[phase] = code[phase] or false end
  return {
    run = run, conf = conf, name = entry.n, priority = entry.o, error_response = entry.e, owner = entry.w,
    filter = entry.f and expr.compile(entry.f), filter_vars = entry.f and expr.variables(entry.f), off = entry.off,
  }
end

local function steps_from(entries)
  local steps = {}
  for i, entry in ipairs(entries or {}) do steps[i] = step_from(entry) end
  return steps
end

local function by_priority(a, b)
  if a.priority ~= b.priority then return a.priority > b.priority end
  return a.name < b.name
end

local PHASES = { "rewrite", "access", "header_filter", "body_filter" }

-- The lists that the phases walk, made once: phase -> steps that have a function for it.
local function chain_from(steps)
  local chain = { steps = steps, vars = nil, response = false }
  local wanted = {}
  for _, phase in ipairs(PHASES) do
    local list = {}
    for _, step in ipairs(steps) do
      if step.run[phase] then list[#list + 1] = step end
    end
    chain[phase] = list[1] and list or nil
  end
  for _, step in ipairs(steps) do
    if step.run.header_filter ~= nil or step.run.body_filter ~= nil then
      chain.response = true
      for _, name in ipairs(step.conf._vars or {}) do wanted[name] = true end
      for _, name in ipairs(step.filter_vars or {}) do wanted[name] = true end
    end
  end
  for name in pairs(wanted) do
    chain.vars = chain.vars or {}
    chain.vars[#chain.vars + 1] = name
  end
  return chain
end

local function program_from(source)
  if source.d then
    local candidates = {}
    for i, candidate in ipairs(source.d) do
      candidates[i] = {
        route = candidate.k,
        condition = candidate.w and expr.compile(candidate.w),
        program = candidate.p and program_from(candidate.p),
        scope = candidate.s,
      }
    end
    for _, number in ipairs(source.u or {}) do candidates[number].websocket = true end
    return { candidates = candidates, websocket = source.u ~= nil }
  end
  local scope, off = source.s or {}, {}
  for _, name in ipairs(source.x or {}) do off[name] = true end
  return {
    scope = scope,
    off = off,
    counted = source.m,
    told_node = source.b,
    globals = chain_from(steps_from(source.g)),
    route = chain_from(steps_from(source.r)),
    merged = cache.new(MERGED),
  }
end

local function program_of(handle)
  local filter_context = handle:filterContext()
  local key = filter_context:get("k")
  return programs:get(key) or programs:put(key, program_from(json.decode(filter_context:get("p"))))
end

-- Consumers ----------------------------------------------------------------------------------------------------------

local overlays = setmetatable({}, { __mode = "k" })

-- The plugins of a consumer over those of its group: name -> step, false when there are none.
local function overlay_of(consumer)
  local record = consumer.record
  local overlay = overlays[record]
  if overlay ~= nil then return overlay end
  overlay = {}
  local group = consumer.group_id and consumers.group(consumer.group_id)
  for _, entries in ipairs { group and group.plugins or {}, record.plugins or {} } do
    for _, entry in ipairs(entries) do
      if not entry.a then overlay[entry.n] = step_from(entry) end
    end
  end
  overlay = next(overlay) and overlay or false
  overlays[record] = overlay
  return overlay
end

-- Source: APISIX's merge_consumer_route. The consumer's plugin replaces the route's of the same name; only one that
-- the route did not have, not even switched off, runs its rewrite: for the others that phase is over.
local function merge(program, overlay)
  local merged = program.merged:get(overlay)
  if merged then return merged end
  local steps, has, late = {}, {}, {}
  for _, step in ipairs(program.route.steps) do
    has[step.name] = true
    local other = overlay[step.name]
    if not other then
      steps[#steps + 1] = step
    elseif not other.off then
      steps[#steps + 1] = other
    end
  end
  for name, step in pairs(overlay) do
    if not has[name] and not step.off then
      steps[#steps + 1] = step
      if step.run.rewrite and not program.off[name] then late[#late + 1] = step end
    end
  end
  sort(steps, by_priority)
  sort(late, by_priority)
  return program.merged:put(overlay, { chain = chain_from(steps), late = late[1] and late or nil })
end

-- Running ------------------------------------------------------------------------------------------------------------

local function wants(step, ctx)
  local memo = ctx.filtered
  if not memo then
    memo = {}
    ctx.filtered = memo
  end
  local answer = memo[step]
  if answer == nil then
    answer = step.filter(ctx)
    memo[step] = answer
  end
  return answer
end

local function run(list, phase, ctx)
  for i = 1, #list do
    local step = list[i]
    if not step.filter or wants(step, ctx) then
      ctx.step = step
      step.run[phase](step.conf, ctx)
    end
  end
end

local function keep_variables(chain, ctx)
  if not chain.vars then return end
  local kept = ctx.kept or {}
  for _, name in ipairs(chain.vars) do
    if kept[name] == nil then
      local value = ctx:var(name)
      kept[name] = value == nil and false or value
    end
  end
  ctx.kept = kept
end

local function run_access(globals, chain, ctx)
  if globals.access then run(globals.access, "access", ctx) end
  if chain.access then run(chain.access, "access", ctx) end
end

-- globals' rewrite, route's rewrite, the consumer's, globals' access, route's access (source: http_access_phase).
local function run_request(program, ctx)
  local globals, chain = program.globals, program.route
  ctx.globals = globals
  if program.told_node then ctx.node = "" end
  if globals.vars then keep_variables(globals, ctx) end
  if globals.rewrite then run(globals.rewrite, "rewrite", ctx) end
  ctx.chain = chain
  if chain.vars then keep_variables(chain, ctx) end
  if chain.rewrite then run(chain.rewrite, "rewrite", ctx) end
  local consumer = ctx.consumer
  if consumer then
    if program.counted then ctx:info():dynamicMetadata():set(METADATA, "consumer", consumer.username) end
    -- Where no route matched, only global rules run.
    if not program.scope.route_id then return run_access(globals, chain, ctx) end
    if consumer.group_id and not consumers.group(consumer.group_id) then
      ctx:log("err", "consumer group " .. consumer.group_id .. " is not there")
      ctx:respond(503)
    end
    local overlay = overlay_of(consumer)
    if overlay then
      local merged = merge(program, overlay)
      chain = merged.chain
      ctx.chain = chain
      if chain.vars then keep_variables(chain, ctx) end
      if merged.late then run(merged.late, "rewrite", ctx) end
    end
  end
  run_access(globals, chain, ctx)
end

-- The response finds the request's context by the client's address and port: over HTTP/1 a connection has one request
-- at a time. Over HTTP/2 it has many, so there it is a number in the stream's metadata, which costs Envoy more. The
-- context lives as long as the request's handle, whose environment it is; Envoy drops the handle with the stream, so a
-- dead stream leaves nothing.
local ids = 0
local living = setmetatable({}, { __mode = "v" })
local RESPONDS = rawget(_G, "envoy_on_response") ~= nil

local function enroll(handle, ctx)
  local stream = ctx:info()
  local place = stream:downstreamDirectRemoteAddress()
  local protocol = stream:protocol()
  setfenv(handle, ctx)
  if protocol == "HTTP/1.1" or protocol == "HTTP/1.0" then
    living[place] = ctx
  else
    ids = ids + 1
    living[place], living[ids] = nil, ctx
    stream:dynamicMetadata():set(METADATA, "k", ids)
  end
end

local function enrolled(handle)
  local stream = handle:streamInfo()
  local place = stream:downstreamDirectRemoteAddress()
  local ctx = living[place]
  if ctx then
    living[place] = nil
    return ctx
  end
  local metadata = stream:dynamicMetadata():get(METADATA)
  local id = metadata and metadata.k
  ctx = id and living[id]
  if ctx then living[id] = nil end
  return ctx
end

local function choose(candidates, ctx)
  for i = 1, #candidates do
    local candidate = candidates[i]
    ctx.scope = candidate.scope or candidate.program and candidate.program.scope or {}
    ctx.uri_params = false
    if not candidate.condition or candidate.condition(ctx) then return candidate end
  end
end

local function handle_request(handle, ctx)
  local program = program_of(handle)
  if program.candidates then
    local candidate = choose(program.candidates, ctx)
    if not candidate then ctx:respond(404, { error_msg = "404 Route Not Found" }) end
    -- Envoy asked the stand-in, which takes an upgrade for any of them.
    if program.websocket and not candidate.websocket and ctx:header "upgrade" then ctx:respond(403) end
    handle:headers():replace("x-gatechat-route", candidate.route)
    handle:clearRouteCache()
    program = candidate.program
    if not program then return end
  end
  ctx.scope = program.scope
  run_request(program, ctx)
end

local function needs_response(ctx)
  local globals, chain = ctx.globals, ctx.chain
  return ctx.node or globals and globals.response or chain and chain.response
end

-- Whether a function will run there, not only headers that were set early wait for it.
local function sees_response(ctx)
  local globals, chain = ctx.globals, ctx.chain
  return globals and (globals.header_filter or globals.body_filter) or chain and (chain.header_filter or chain.body_filter)
end

-- Envoy does not come back from handle:respond, and runs on_response inside of it.
local function reply_with(handle, ctx)
  local reply, step = ctx.reply, ctx.step
  local headers, body = reply.headers, reply.body
  local early = ctx.early
  if early then
    for i = 1, #early, 2 do headers[early[i]] = early[i + 1] or nil end
    ctx.early = false
  end
  if reply.status >= 400 and step and step.error_response then body = step.error_response end
  headers[":status"] = tostring(reply.status)
  if body and not headers["content-type"] then headers["content-type"] = "text/plain; charset=utf-8" end
  ctx.replied = true
  ctx:release(not sees_response(ctx))
  handle:respond(headers, body)
end

local FAILED = '{"error_msg":"500 Internal Server Error"}\n'

local function blame(handle, ctx, problem)
  local step = ctx and ctx.step
  handle:logErr("gatechat: plugin " .. (step and step.name or "?") .. " failed: " .. tostring(problem))
end

local function request(handle, ctx)
  if RESPONDS then enroll(handle, ctx) end
  handle_request(handle, ctx)
  ctx:release(not sees_response(ctx))
end

-- An error that got out of here would let the request pass.
local function on_request(handle)
  local ok, ctx = pcall(context.new, handle)
  local problem = ctx
  if ok then
    ok, problem = pcall(request, handle, ctx)
    if ok then return end
    if problem == REPLY then
      ok, problem = pcall(reply_with, handle, ctx)
    end
    blame(handle, ctx, problem)
    ctx.globals, ctx.chain, ctx.node = false, false, false -- no plugin sees the 500
  else
    blame(handle, nil, problem)
  end
  handle:respond({ [":status"] = "500", ["content-type"] = "text/plain; charset=utf-8" }, FAILED)
end

local function handle_response(handle, ctx)
  ctx:respond_with(handle)
  if ctx.node then
    ctx.node = ctx.response:get("x-gatechat-node") or false
    ctx.response:remove("x-gatechat-node")
  end
  local early = ctx.early
  if early then
    for i = 1, #early, 2 do ctx:set_response_header(early[i], early[i + 1]) end
    ctx.early = false
  end
  local globals, chain = ctx.globals, ctx.chain
  if globals.header_filter then run(globals.header_filter, "header_filter", ctx) end
  if chain and chain.header_filter then run(chain.header_filter, "header_filter", ctx) end
  local filtered = globals.body_filter or chain and chain.body_filter
  if not filtered and not ctx.new_body or not ctx:has_body() then return end
  local buffer = handle:body(true)
  ctx:respond_with(handle)
  local before = ctx.new_body or buffer:getBytes(0, buffer:length())
  local body = before
  for _, list in ipairs { globals.body_filter or {}, chain and chain.body_filter or {} } do
    for _, step in ipairs(list) do
      if not step.filter or wants(step, ctx) then
        ctx.step = step
        body = step.run.body_filter(step.conf, ctx, body) or body
      end
    end
  end
  if ctx.new_body or body ~= before then buffer:setBytes(body) end
end

local function on_response(handle)
  local ctx = enrolled(handle)
  if not ctx or not needs_response(ctx) then return end
  local ok, problem = pcall(handle_response, handle, ctx)
  if ok then return end
  blame(handle, ctx, problem)
  local headers = handle:headers()
  headers:replace(":status", "500")
  headers:replace("content-type", "text/plain; charset=utf-8")
  headers:remove("content-encoding")
  if not ctx.head then handle:body(true):setBytes(FAILED) end
end

return { on_request = on_request, on_response = on_response }
