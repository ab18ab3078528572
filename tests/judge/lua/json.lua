-- cjson, cjson.safe and toolkit.json as the test files use them. Keys are always written in order, so that text can
-- be compared.
local null = ngx.null
local array_mt, empty_array_mt = {}, {}

local escapes = {['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
                 ["\t"] = "\\t"}

local function quote(text, slash)
    text = text:gsub('[%z\1-\31"\\\127]', function(char)
        return escapes[char] or string.format("\\u%04x", char:byte())
    end)
    if slash then
        text = text:gsub("/", "\\/")
    end
    return '"' .. text .. '"'
end

local function number(value)
    if value == math.floor(value) and math.abs(value) < 1e15 then
        return string.format("%d", value)
    end
    return string.format("%.14g", value)
end

local function length(value)
    local max, count = 0, 0
    for key in pairs(value) do
        if type(key) ~= "number" or key < 1 or key ~= math.floor(key) then
            return nil
        end
        max, count = math.max(max, key), count + 1
    end
    if max > 10 and max > count * 2 then
        return nil
    end
    return max
end

local encode

local function encode_table(value, style)
    local size, mt = length(value), getmetatable(value)
    local array = size and size > 0 or mt == array_mt or mt == empty_array_mt or (style.empty_array and mt == nil)
    local parts = {}
    if size and array then
        for index = 1, size do
            parts[index] = value[index] == nil and "null" or encode(value[index], style)
        end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    local keys, raw = {}, {}
    for key in pairs(value) do
        keys[#keys + 1], raw[tostring(key)] = tostring(key), key
    end
    table.sort(keys)
    for index, key in ipairs(keys) do
        parts[index] = quote(key, style.slash) .. ":" .. encode(value[raw[key]], style)
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

function encode(value, style)
    local kind = type(value)
    if kind == "table" then
        return encode_table(value, style)
    elseif kind == "string" then
        return quote(value, style.slash)
    elseif kind == "number" then
        return number(value)
    elseif kind == "boolean" then
        return tostring(value)
    elseif kind == "nil" or value == null then
        return "null"
    end
    error("Cannot serialise " .. kind .. ": type not supported")
end

local function utf8(code)
    if code < 0x80 then
        return string.char(code)
    elseif code < 0x800 then
        return string.char(0xc0 + math.floor(code / 64), 0x80 + code % 64)
    elseif code < 0x10000 then
        return string.char(0xe0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
    end
    return string.char(0xf0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
                       0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local unescapes = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}

local function fail(at, want)
    error({json = "Expected " .. want .. " but found invalid token at character " .. at})
end

local function decode_string(text, at)
    local close = at
    repeat
        close = text:find('["\\]', close + 1) or fail(at, "value")
        local escaped = text:sub(close, close) == "\\"
        close = escaped and close + 1 or close
    until not escaped
    local inner = text:sub(at + 1, close - 1)
    inner = inner:gsub("\\u([dD][89abAB]%x%x)\\u([dD][c-fC-F]%x%x)", function(high, low)
        return utf8(0x10000 + (tonumber(high, 16) - 0xd800) * 1024 + tonumber(low, 16) - 0xdc00)
    end)
    inner = inner:gsub("\\(.)(%x?%x?%x?%x?)", function(char, hex)
        if char == "u" then
            return utf8(tonumber(hex, 16))
        end
        return (unescapes[char] or char) .. hex
    end)
    return inner, close + 1
end

local decode_value

local function decode_items(text, at, close, style)
    local object, count = close == "}", 0
    local result = setmetatable({}, object and style.object_mt or not object and style.array_mt or nil)
    at = text:find("%S", at + 1) or fail(at, "value")
    if text:sub(at, at) == close then
        return result, at + 1
    end
    while true do
        local key, value
        if object then
            if text:sub(at, at) ~= '"' then
                fail(at, "object key string")
            end
            key, at = decode_string(text, at)
            at = text:match("^%s*:()", at) or fail(at, "colon")
        end
        value, at = decode_value(text, at, style)
        count = count + 1
        if value ~= null or not style.drop_null then
            result[object and key or count] = value
        end
        at = text:find("%S", at) or fail(at, "comma or end")
        local char = text:sub(at, at)
        if char == close then
            return result, at + 1
        elseif char ~= "," then
            fail(at, object and "comma or object end" or "comma or array end")
        end
        at = text:find("%S", at + 1) or fail(at, "value")
        if text:sub(at, at) == close and style.trailing_comma then
            return result, at + 1
        end
    end
end

local words = {["true"] = true, ["false"] = false, null = null}

function decode_value(text, at, style)
    at = text:find("%S", at) or fail(at, "value")
    local char = text:sub(at, at)
    if char == "{" then
        return decode_items(text, at, "}", style)
    elseif char == "[" then
        return decode_items(text, at, "]", style)
    elseif char == '"' then
        return decode_string(text, at)
    end
    local word = text:match("^%a+", at)
    if word and words[word] ~= nil then
        return words[word], at + #word
    end
    local digits = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at) or fail(at, "value")
    return tonumber(digits) or fail(at, "value"), at + #digits
end

local function decode(text, style)
    if type(text) ~= "string" then
        return nil, "bad argument #1 to 'decode' (string expected, got " .. type(text) .. ")"
    end
    local ok, value, at = pcall(decode_value, text, 1, style)
    if not ok then
        return nil, type(value) == "table" and value.json or tostring(value)
    elseif text:find("%S", at) then
        return nil, "Expected the end but found invalid token at character " .. at
    end
    return value
end

local cjson = {null = null, array_mt = array_mt, empty_array_mt = empty_array_mt,
               empty_array = setmetatable({}, array_mt)}
local cjson_style = {slash = true, array_mt = array_mt}

function cjson.encode(value)
    return encode(value, cjson_style)
end

function cjson.decode(text)
    local value, err = decode(text, cjson_style)
    if value == nil then
        error(err, 2)
    end
    return value
end

function cjson.decode_array_with_array_mt() end
function cjson.encode_empty_table_as_object() end
function cjson.encode_number_precision() end

local safe = setmetatable({}, {__index = cjson})

function safe.encode(value)
    local ok, text = pcall(encode, value, cjson_style)
    return ok and text or nil, not ok and text or nil
end

function safe.decode(text)
    return decode(text, cjson_style)
end

function safe.new()
    return safe
end
cjson.new = safe.new

-- dkjson: nulls vanish, and empty tables are arrays unless they were read as objects
local toolkit = {}
local toolkit_style = {empty_array = true, drop_null = true, trailing_comma = true, object_mt = {__jsontype = "object"},
                       array_mt = {__jsontype = "array"}}
empty_array_mt = toolkit_style.array_mt

function toolkit.encode(value)
    return encode(value, toolkit_style)
end

function toolkit.decode(text)
    local value, err = decode(text, toolkit_style)
    return value, 1, err
end

return {cjson = cjson, safe = safe, toolkit = toolkit}
