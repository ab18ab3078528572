--[[ Percent-encoding, query strings and path parameters. ]]

local type, ipairs, pairs, tonumber, tostring = type, ipairs, pairs, tonumber, tostring
local find, gsub, char, format, byte, gmatch, match = string.find, string.gsub, string.char, string.format, string.byte,
  string.gmatch, string.match
local concat, sort = table.concat, table.sort

-- As nginx: more arguments than this are not looked at.
local MAX_ARGS = 100

local function character(hex)
  return char(tonumber(hex, 16))
end

local function decode(text)
  if not find(text, "%", 1, true) then return text end
  return (gsub(text, "%%(%x%x)", character))
end

local function decode_arg(text)
  return decode((gsub(text, "+", " ")))
end

-- name -> value, true for a name without "=", a list for a name that comes again
local function decode_args(query)
  local args, count = {}, 0
  if not query or query == "" then return args end
  for part in gmatch(query, "[^&]+") do
    local name, value = match(part, "^(.-)=(.*)$")
    name, value = decode_arg(name or part), value and decode_arg(value) or true
    if name ~= "" then
      count = count + 1
      if count > MAX_ARGS then break end
      local before = args[name]
      if before == nil then
        args[name] = value
      elseif type(before) == "table" then
        before[#before + 1] = value
      else
        args[name] = { before, value }
      end
    end
  end
  return args
end

local function hex(c)
  return format("%%%02X", byte(c))
end

local function escape(text)
  return (gsub(text, "[^%w%-%._~]", hex))
end

-- What nginx escapes in a path that it writes itself (NGX_ESCAPE_URI).
local function escape_path(text)
  return (gsub(text, '[%z\1-\32\127-\255"#%%<>?\\^`{|}]', hex))
end

local function escape_controls(text)
  return (gsub(text, "[%z\1-\31\127]", hex))
end

local function encode_args(args)
  local names, parts = {}, {}
  for name in pairs(args) do names[#names + 1] = name end
  sort(names)
  for _, name in ipairs(names) do
    local values = args[name]
    if type(values) ~= "table" then values = { values } end
    for _, value in ipairs(values) do
      if value == true then
        parts[#parts + 1] = escape(name)
      elseif value ~= false then
        parts[#parts + 1] = escape(name) .. "=" .. escape(tostring(value))
      end
    end
  end
  return concat(parts, "&")
end

local function segments_of(path)
  local segments = {}
  for segment in gmatch(path, "[^/]*") do segments[#segments + 1] = segment end
  return segments
end

-- The parameters of the first of the patterns ("/user/:id", "/files/*rest") that the path matches; source: radixtree.
local function params(patterns, path)
  for _, pattern in ipairs(patterns or {}) do
    local found, names, from = {}, {}, {}
    local lua = gsub(pattern, "[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0")
    lua = gsub(lua, "([:%*])([%w_]*)", function(kind, name)
      if kind == ":" and name == "" then return ":" end
      names[#names + 1] = name ~= "" and name or ":ext"
      return kind == ":" and "([^/]+)" or "(.*)"
    end)
    for _, value in ipairs { match(path, "^" .. lua .. "$") } do from[#from + 1] = value end
    if #from == #names and #names > 0 then
      for i, name in ipairs(names) do found[name] = decode(from[i]) end
      return found
    end
  end
  return {}
end

return {
  decode = decode, escape = escape, escape_path = escape_path, escape_controls = escape_controls,
  decode_args = decode_args, encode_args = encode_args, params = params,
}
