--[[ Random bytes of the operating system, read in blocks. ]]

local byte, format, sub, rep = string.byte, string.format, string.sub, string.rep

local BLOCK = 4096
local source, block, at

local function bytes(count)
  if not block or at + count > BLOCK then
    source = source or assert(io.open("/dev/urandom", "rb"))
    block, at = assert(source:read(BLOCK)), 0
  end
  at = at + count
  return sub(block, at - count + 1, at)
end

local function hex(count)
  return format(rep("%02x", count), byte(bytes(count), 1, count))
end

-- A whole number from 0 to limit - 1; limit is small against 2^32.
local function below(limit)
  local a, b, c, d = byte(bytes(4), 1, 4)
  return (a * 0x1000000 + b * 0x10000 + c * 0x100 + d) % limit
end

return { bytes = bytes, hex = hex, below = below }
