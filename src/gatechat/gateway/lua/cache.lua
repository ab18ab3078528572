--[[ A table that forgets: two generations, of which the older goes when the younger is full. What is used stays. ]]

local Cache = {}
Cache.__index = Cache

function Cache:get(key)
  local value = self.young[key]
  if value ~= nil then return value end
  value = self.old[key]
  if value ~= nil then self:put(key, value) end
  return value
end

function Cache:put(key, value)
  if self.count >= self.size then self.old, self.young, self.count = self.young, {}, 0 end
  self.young[key] = value
  self.count = self.count + 1
  return value
end

-- Holds at most 2 * size values.
local function new(size)
  return setmetatable({ size = size, count = 0, young = {}, old = {} }, Cache)
end

return { new = new }
