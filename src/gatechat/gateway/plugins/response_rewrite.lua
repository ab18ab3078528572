local base64 = require "gatechat.base64"
local expr = require "gatechat.expr"
local regex = require "gatechat.regex"

local function prepare(conf)
  if conf.vars then
    conf.matches = expr.compile(conf.vars)
    for _, name in ipairs(expr.variables(conf.vars)) do conf._vars[#conf._vars + 1] = name end
  end
  if conf.base64 then conf.body = base64.decode(conf.base64) end
  for _, filter in ipairs(conf.filters or {}) do filter.regex = regex.new(filter.regex) end
end

-- A compressed body cannot be searched, so the upstream is not told that it may send one.
local function rewrite(_, ctx)
  ctx:remove_header "accept-encoding"
end

local function header_filter(conf, ctx)
  if conf.matches and not conf.matches(ctx) then return end
  ctx.shared[conf] = true
  if conf.status_code then ctx:set_status(conf.status_code) end
  if conf.filters or conf.body then
    local encoding = ctx:response_header "content-encoding"
    if conf.filters and encoding and encoding ~= "identity" then
      ctx.shared[conf] = nil
      ctx:log("err", "response-rewrite: the response is compressed (" .. encoding .. "), its body stays as it is")
    else
      for _, name in ipairs { "content-length", "content-encoding", "last-modified", "etag" } do
        ctx:remove_response_header(name)
      end
    end
  end
  if conf.body then ctx:set_response_body(conf.body) end
  for _, header in ipairs(conf.add or {}) do ctx:add_response_header(header[1], (ctx:resolve(header[2]))) end
  for _, header in ipairs(conf.set or {}) do ctx:set_response_header(header[1], (ctx:resolve(header[2]))) end
  for _, name in ipairs(conf.remove or {}) do ctx:remove_response_header(name) end
end

local function body_filter(conf, ctx, body)
  if not ctx.shared[conf] then return body end
  if #body > conf.max_resp_body_size then
    ctx:log("warn", "response-rewrite: the response is longer than max_resp_body_size, the rest is cut off")
    body = body:sub(1, conf.max_resp_body_size)
  end
  for _, filter in ipairs(conf.filters) do
    body = filter.regex:replace(body, filter.replace, filter.scope == "global")
  end
  return body
end

return { prepare = prepare, rewrite = rewrite, header_filter = header_filter, body_filter = body_filter }
