--[[ Addresses and networks, IPv4 and IPv6, compared as bytes. ]]

local ffi = require "ffi"

local find, sub, byte, match = string.find, string.sub, string.byte, string.match
local tonumber, ipairs, error, type = tonumber, ipairs, error, type
local rshift = bit.rshift
local floor = math.floor

ffi.cdef "int inet_pton(int family, const char *text, void *address);"

-- AF_INET6 is not the same number everywhere (Linux 10, macOS 30).
local AF_INET, AF_INET6 = 2, ffi.os == "OSX" and 30 or 10
local buffer = ffi.new "unsigned char[16]"

-- 4 or 16 bytes, nil when it is not an address. An IPv4-mapped IPv6 address is its IPv4 address.
local function parse(text)
  if find(text, ":", 1, true) then
    if ffi.C.inet_pton(AF_INET6, text, buffer) ~= 1 then return nil end
    local bytes = ffi.string(buffer, 16)
    if sub(bytes, 1, 12) == "\0\0\0\0\0\0\0\0\0\0\255\255" then return sub(bytes, 13) end
    return bytes
  end
  if ffi.C.inet_pton(AF_INET, text, buffer) ~= 1 then return nil end
  return ffi.string(buffer, 4)
end

local function network(text)
  local address, length = match(text, "^(.-)/(%d+)$")
  local bytes = parse(address or text)
  length = tonumber(length)
  if not bytes then error("not an address or network: " .. text) end
  if length and #bytes == 4 and find(address, ":", 1, true) then length = length - 96 end
  length = length or #bytes * 8
  if length < 0 or length > #bytes * 8 then error("not an address or network: " .. text) end
  local whole, rest = floor(length / 8), length % 8
  return {
    size = #bytes, whole = whole, prefix = sub(bytes, 1, whole), shift = 8 - rest,
    last = rest > 0 and rshift(byte(bytes, whole + 1), 8 - rest) or nil,
  }
end

local function inside(bytes, net)
  if #bytes ~= net.size or sub(bytes, 1, net.whole) ~= net.prefix then return false end
  return not net.last or rshift(byte(bytes, net.whole + 1), net.shift) == net.last
end

-- A function that says whether an address is in one of the networks; what is no address is in none.
local function matcher(texts)
  local single, nets = {}, {}
  for _, text in ipairs(texts) do
    local net = network(text)
    if net.whole == net.size then single[net.prefix] = true else nets[#nets + 1] = net end
  end
  return function(text)
    local bytes = type(text) == "string" and parse(text)
    if not bytes then return false end
    if single[bytes] then return true end
    for i = 1, #nets do
      if inside(bytes, nets[i]) then return true end
    end
    return false
  end
end

return { parse = parse, matcher = matcher }
