local random = require "gatechat.random"

local byte, sub, format, char, floor = string.byte, string.sub, string.format, string.char, math.floor
local concat = table.concat
local band, bor = bit.band, bit.bor

local NANOID = "-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
local NANOID_LENGTH = 21
local BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
local KSUID_LENGTH, KSUID_EPOCH = 27, 1400000000

local HEX = {}
for code = 0, 255 do HEX[code] = format("%02x", code) end

-- RFC 9562: the version in the seventh byte, the variant in the ninth.
local function uuid_of(bytes, version)
  local a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p = byte(bytes, 1, 16)
  g, i = bor(band(g, 0x0F), version * 16), bor(band(i, 0x3F), 0x80)
  return HEX[a] .. HEX[b] .. HEX[c] .. HEX[d] .. "-" .. HEX[e] .. HEX[f] .. "-" .. HEX[g] .. HEX[h] .. "-"
    .. HEX[i] .. HEX[j] .. "-" .. HEX[k] .. HEX[l] .. HEX[m] .. HEX[n] .. HEX[o] .. HEX[p]
end

local function big_endian(number, count)
  local bytes = {}
  for i = count, 1, -1 do
    bytes[i] = char(number % 256)
    number = floor(number / 256)
  end
  return concat(bytes)
end

local function base62(bytes, length)
  local digits = { byte(bytes, 1, #bytes) }
  local out = {}
  for place = length, 1, -1 do
    local rest = 0
    for i = 1, #digits do
      local value = rest * 256 + digits[i]
      digits[i] = floor(value / 62)
      rest = value % 62
    end
    out[place] = sub(BASE62, rest + 1, rest + 1)
  end
  return concat(out)
end

local make = {
  uuid = function() return uuid_of(random.bytes(16), 4) end,
  uuidv7 = function(_, ctx) return uuid_of(big_endian(floor(ctx:time() * 1000), 6) .. random.bytes(10), 7) end,
  nanoid = function()
    local bytes, out = random.bytes(NANOID_LENGTH), {}
    for i = 1, NANOID_LENGTH do
      local place = band(byte(bytes, i), 63) + 1
      out[i] = sub(NANOID, place, place)
    end
    return concat(out)
  end,
  ksuid = function(_, ctx)
    return base62(big_endian(floor(ctx:time()) - KSUID_EPOCH, 4) .. random.bytes(16), KSUID_LENGTH)
  end,
  range_id = function(conf)
    local set, out = conf.range_id.char_set, {}
    for i = 1, conf.range_id.length do
      local place = random.below(#set) + 1
      out[i] = sub(set, place, place)
    end
    return concat(out)
  end,
}

local function prepare(conf)
  conf.place = "request-id " .. conf.header_name
end

local function rewrite(conf, ctx)
  local id = ctx:header(conf.header_name)
  if not id or id == "" then
    id = make[conf.algorithm](conf, ctx)
    ctx:set_header(conf.header_name, id)
  end
  ctx.shared[conf.place] = id
  ctx.request_id = id
end

local function header_filter(conf, ctx)
  local given = ctx:response_header(conf.header_name)
  if not given or given == "" then
    ctx:set_response_header(conf.header_name, ctx.shared[conf.place])
  end
end

return { prepare = prepare, rewrite = rewrite, header_filter = header_filter }
