--[[ The consumers, their groups, and whose each key is. ]]

local require = require

local made = {}

-- Decoded when it is first needed: most of Envoy's Lua states never see a request.
local function data()
  return require "gatechat.data"
end

local function consumer_of(name, credential_id)
  local record = data().consumers[name]
  return record and {
    username = record.username, group_id = record.group_id, custom_id = record.custom_id,
    credential_id = credential_id, record = record,
  }
end

-- The consumer that has `key` for the auth plugin; nil and why when there is none.
local function find(plugin, key)
  local of_plugin = data().keys[plugin]
  if not of_plugin then return nil, "Missing related consumer" end
  local owner = of_plugin[key]
  if not owner then return nil end
  local consumer = made[owner]
  if not consumer then
    consumer = consumer_of(owner[1], owner[2])
    made[owner] = consumer
  end
  return consumer
end

local function group(id)
  return data().groups[id]
end

-- From here on the request is the consumer's; what the client sent under these names is gone.
local function attach(ctx, consumer)
  ctx.consumer = consumer
  local fields = ctx.fields
  fields:replace("x-consumer-username", consumer.username)
  local credential_id, custom_id = consumer.credential_id, consumer.custom_id
  if credential_id then
    fields:replace("x-credential-identifier", credential_id)
  else
    fields:remove("x-credential-identifier")
  end
  if custom_id then
    fields:replace("x-consumer-custom-id", custom_id)
  else
    fields:remove("x-consumer-custom-id")
  end
end

return { find = find, named = consumer_of, attach = attach, group = group }
