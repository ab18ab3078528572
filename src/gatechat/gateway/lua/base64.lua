--[[ Base64 (RFC 4648) with padding. ]]

local bit = require "bit"

local byte, char, concat = string.byte, string.char, table.concat
local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift

local VALUES = {}
for value, code in ipairs { byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 1, -1) } do
  VALUES[code] = value - 1
end

local function decode(text)
  local parts, bits, count = {}, 0, 0
  for at = 1, #text do
    local value = VALUES[byte(text, at)]
    if not value then break end
    bits, count = bor(lshift(band(bits, 0xff), 6), value), count + 6
    if count >= 8 then
      count = count - 8
      parts[#parts + 1] = char(band(rshift(bits, count), 0xff))
    end
  end
  return concat(parts)
end

return { decode = decode }
