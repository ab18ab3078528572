--[[ JSON, small: what Python wrote is read, and short answers are written. ]]

local type, error, tostring, tonumber, pairs, ipairs, next = type, error, tostring, tonumber, pairs, ipairs, next
local setmetatable, getmetatable = setmetatable, getmetatable
local sub, byte, find, char, format, gsub = string.sub, string.byte, string.find, string.char, string.format, string.gsub
local concat, sort, floor, huge = table.concat, table.sort, math.floor, math.huge
local band, rshift, bor = bit.band, bit.rshift, bit.bor

local null = setmetatable({}, { __tostring = function() return "null" end })
-- Marks a table that is written as [] when it is empty.
local array = {}

local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function utf8(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(bor(0xC0, rshift(code, 6)), bor(0x80, band(code, 63))) end
  if code < 0x10000 then
    return char(bor(0xE0, rshift(code, 12)), bor(0x80, band(rshift(code, 6), 63)), bor(0x80, band(code, 63)))
  end
  return char(bor(0xF0, rshift(code, 18)), bor(0x80, band(rshift(code, 12), 63)),
    bor(0x80, band(rshift(code, 6), 63)), bor(0x80, band(code, 63)))
end

local function fail(at, why)
  error("bad JSON at byte " .. at .. ": " .. why, 0)
end

local function skip(text, at)
  return find(text, "[^ \n\r\t]", at) or #text + 1
end

local function read_string(text, at)
  local parts, from = nil, at + 1
  while true do
    local stop = find(text, '["\\]', from)
    if not stop then fail(at, "the string does not end") end
    if byte(text, stop) == 34 then
      local last = sub(text, from, stop - 1)
      if not parts then return last, stop + 1 end
      parts[#parts + 1] = last
      return concat(parts), stop + 1
    end
    parts = parts or {}
    parts[#parts + 1] = sub(text, from, stop - 1)
    local kind = sub(text, stop + 1, stop + 1)
    if kind == "u" then
      local code = tonumber(sub(text, stop + 2, stop + 5), 16) or fail(stop, "bad \\u")
      from = stop + 6
      if code >= 0xD800 and code < 0xDC00 and sub(text, from, from + 1) == "\\u" then
        local low = tonumber(sub(text, from + 2, from + 5), 16) or fail(from, "bad \\u")
        code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00)
        from = from + 6
      end
      parts[#parts + 1] = utf8(code)
    else
      parts[#parts + 1] = ESCAPES[kind] or fail(stop, "bad escape")
      from = stop + 2
    end
  end
end

local read

local function read_object(text, at)
  local object = {}
  at = skip(text, at + 1)
  if byte(text, at) == 125 then return object, at + 1 end
  while true do
    if byte(text, at) ~= 34 then fail(at, "a name is missing") end
    local name, value
    name, at = read_string(text, at)
    at = skip(text, at)
    if byte(text, at) ~= 58 then fail(at, "':' is missing") end
    value, at = read(text, skip(text, at + 1))
    object[name] = value
    at = skip(text, at)
    local next_byte = byte(text, at)
    if next_byte == 125 then return object, at + 1 end
    if next_byte ~= 44 then fail(at, "',' or '}' is missing") end
    at = skip(text, at + 1)
  end
end

local function read_array(text, at)
  local list, count = setmetatable({}, array), 0
  at = skip(text, at + 1)
  if byte(text, at) == 93 then return list, at + 1 end
  while true do
    local value
    value, at = read(text, at)
    count = count + 1
    list[count] = value
    at = skip(text, at)
    local next_byte = byte(text, at)
    if next_byte == 93 then return list, at + 1 end
    if next_byte ~= 44 then fail(at, "',' or ']' is missing") end
    at = skip(text, at + 1)
  end
end

local WORDS = { t = { "true", true }, f = { "false", false }, n = { "null", null } }

function read(text, at)
  local first = byte(text, at)
  if first == 34 then return read_string(text, at) end
  if first == 123 then return read_object(text, at) end
  if first == 91 then return read_array(text, at) end
  local word = WORDS[sub(text, at, at)]
  if word then
    if sub(text, at, at + #word[1] - 1) ~= word[1] then fail(at, "unknown word") end
    return word[2], at + #word[1]
  end
  local _, stop = find(text, "^-?%d+%.?%d*[eE]?[+-]?%d*", at)
  local number = stop and tonumber(sub(text, at, stop))
  if not number then fail(at, "a value is missing") end
  return number, stop + 1
end

local function decode(text)
  local value, at = read(text, skip(text, 1))
  at = skip(text, at)
  if at <= #text then fail(at, "something follows the value") end
  return value
end

local SHORT = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(c)
  return SHORT[c] or format("\\u%04x", byte(c))
end

local function quote(text)
  return '"' .. gsub(text, '[%c"\\\127]', escape) .. '"'
end

local write

local function write_table(value, parts)
  if value[1] ~= nil or getmetatable(value) == array then
    parts[#parts + 1] = "["
    for i, item in ipairs(value) do
      if i > 1 then parts[#parts + 1] = "," end
      write(item, parts)
    end
    parts[#parts + 1] = "]"
    return
  end
  local names = {}
  for name in pairs(value) do names[#names + 1] = tostring(name) end
  sort(names)
  parts[#parts + 1] = "{"
  for i, name in ipairs(names) do
    parts[#parts + 1] = (i > 1 and "," or "") .. quote(name) .. ":"
    write(value[name], parts)
  end
  parts[#parts + 1] = "}"
end

function write(value, parts)
  local kind = type(value)
  if value == null or kind == "nil" then
    parts[#parts + 1] = "null"
  elseif kind == "string" then
    parts[#parts + 1] = quote(value)
  elseif kind == "number" then
    if value ~= value or value == huge or value == -huge then error("not a JSON number: " .. tostring(value)) end
    parts[#parts + 1] = floor(value) == value and format("%.0f", value) or format("%.14g", value)
  elseif kind == "boolean" then
    parts[#parts + 1] = tostring(value)
  elseif kind == "table" then
    write_table(value, parts)
  else
    error("cannot write a " .. kind .. " as JSON")
  end
end

-- Names in alphabetical order.
local function encode(value)
  local parts = {}
  write(value, parts)
  return concat(parts)
end

return { decode = decode, encode = encode, null = null, array = array }
