local ip = require "gatechat.ip"

local function prepare(conf)
  conf.matches = ip.matcher(conf.whitelist or conf.blacklist)
  conf.allowed = conf.whitelist ~= nil
end

local function access(conf, ctx)
  if conf.matches(ctx:var("remote_addr")) ~= conf.allowed then
    ctx:respond(conf.response_code, { message = conf.message })
  end
end

return { prepare = prepare, access = access }
