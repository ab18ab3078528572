local consumers = require "gatechat.consumers"

local function refuse(conf, ctx, message)
  ctx:respond(401, { message = message }, { ["www-authenticate"] = 'apikey realm="' .. conf.realm .. '"' })
end

local function hide_in_query(conf, ctx)
  local args = ctx:args()
  if args[conf.query] == nil then return end
  args[conf.query] = nil
  ctx:set_args(args)
end

local function find(conf, ctx)
  local key = ctx:header(conf.header)
  local in_header = key ~= nil
  if not in_header then
    key = ctx:args()[conf.query]
    if key == nil then return nil, "Missing API key in request" end
  end
  local consumer = consumers.find("key-auth", key)
  if not consumer then return nil, "Invalid API key in request" end
  if conf.hide_credentials then
    if in_header then ctx:remove_header(conf.header) else hide_in_query(conf, ctx) end
  end
  return consumer
end

local function rewrite(conf, ctx)
  local consumer, problem = find(conf, ctx)
  if not consumer then
    if not conf.anonymous_consumer then refuse(conf, ctx, problem) end
    if conf.hide_credentials then
      ctx:remove_header(conf.header)
      hide_in_query(conf, ctx)
    end
    consumer = consumers.named(conf.anonymous_consumer)
    if not consumer then
      ctx:log("err", "key-auth: the anonymous consumer " .. conf.anonymous_consumer .. " is not there")
      refuse(conf, ctx, "Invalid user authorization")
    end
  end
  consumers.attach(ctx, consumer)
end

return { rewrite = rewrite }
