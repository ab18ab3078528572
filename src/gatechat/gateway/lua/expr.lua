--[[ Conditions over variables, as lua-resty-expr evaluates them, made into closures once.

The form (plugins/vars.py writes it):
    {"and" | "or" | "nand" | "nor", condition...}
    {operator, variable, value [, true when negated]}
A "~~" or "~*" has a compiled regular expression as its value, an "ipmatch" a list of addresses and networks.
]]

local json = require "gatechat.json"
local regex = require "gatechat.regex"
local ip = require "gatechat.ip"

local type, tonumber, ipairs, error, tostring = type, tonumber, ipairs, error, tostring

local compile

local function numeric(compare)
  return function(value)
    local right = tonumber(value)
    return function(left)
      left = tonumber(left)
      if not left or not right then return false end
      return compare(left, right)
    end
  end
end

local function equal(value)
  if type(value) == "number" then
    return function(left) return tonumber(left) == value end
  end
  return function(left) return left == value end
end

local function find(pattern)
  local matches = regex.matcher(pattern)
  return function(left) return left ~= nil and matches(tostring(left)) end
end

local function one_of(values)
  local set = {}
  for _, value in ipairs(type(values) == "table" and values or {}) do set[value] = true end
  return function(left) return left ~= nil and set[left] == true end
end

local function has(value)
  return function(left)
    if type(left) ~= "table" then return false end
    for _, item in ipairs(left) do
      if item == value then return true end
    end
    return false
  end
end

-- operator -> function of the right side that returns a function of the left side
local OPERATORS = {
  ["=="] = equal,
  ["~="] = function(value)
    local same = equal(value)
    return function(left) return not same(left) end
  end,
  [">"] = numeric(function(a, b) return a > b end),
  [">="] = numeric(function(a, b) return a >= b end),
  ["<"] = numeric(function(a, b) return a < b end),
  ["<="] = numeric(function(a, b) return a <= b end),
  ["~~"] = find,
  ["~*"] = find,
  ["in"] = one_of,
  ["has"] = has,
  ["ipmatch"] = ip.matcher,
}

local function all(parts)
  if #parts == 1 then return parts[1] end
  return function(ctx)
    for i = 1, #parts do
      if not parts[i](ctx) then return false end
    end
    return true
  end
end

local function any(parts)
  return function(ctx)
    for i = 1, #parts do
      if parts[i](ctx) then return true end
    end
    return false
  end
end

local function none(parts)
  local some = any(parts)
  return function(ctx) return not some(ctx) end
end

local function not_all(parts)
  local every = all(parts)
  return function(ctx) return not every(ctx) end
end

local LOGIC = { ["and"] = all, ["or"] = any, nor = none, nand = not_all }

-- condition -> function(ctx) that returns true or false
function compile(condition)
  local logic = LOGIC[condition[1]]
  if logic then
    local parts = {}
    for i = 2, #condition do parts[i - 1] = compile(condition[i]) end
    return logic(parts)
  end
  local operator = OPERATORS[condition[1]] or error("unknown operator " .. tostring(condition[1]))
  local name, value = condition[2], condition[3]
  if value == json.null then value = nil end
  local holds = operator(value)
  if condition[4] then return function(ctx) return not holds(ctx:var(name)) end end
  return function(ctx) return holds(ctx:var(name)) end
end

local function collect(condition, names)
  if LOGIC[condition[1]] then
    for i = 2, #condition do collect(condition[i], names) end
  else
    names[#names + 1] = condition[2]
  end
  return names
end

-- The names of the variables that a condition reads.
local function variables(condition)
  return collect(condition, {})
end

return { compile = compile, variables = variables }
