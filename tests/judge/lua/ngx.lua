-- The `ngx` of OpenResty, as far as the test files and their upstream use it, for one request.
-- `host` (script.py) does what needs the outside: sockets, time, regular expressions, digests.
local host = ...

local ngx = {
    null = newproxy(true), OK = 0, ERROR = -1, AGAIN = -2, DONE = -4, DECLINED = -5,
    STDERR = 0, EMERG = 1, ALERT = 2, CRIT = 3, ERR = 4, WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8,
    HTTP_GET = 2, HTTP_HEAD = 4, HTTP_POST = 8, HTTP_PUT = 16, HTTP_DELETE = 32, HTTP_OPTIONS = 512,
    HTTP_PATCH = 16384, HTTP_TRACE = 32768,
    HTTP_OK = 200, HTTP_CREATED = 201, HTTP_NO_CONTENT = 204, HTTP_MOVED_PERMANENTLY = 301, HTTP_BAD_REQUEST = 400,
    HTTP_UNAUTHORIZED = 401, HTTP_FORBIDDEN = 403, HTTP_NOT_FOUND = 404, HTTP_INTERNAL_SERVER_ERROR = 500,
    HTTP_BAD_GATEWAY = 502, HTTP_SERVICE_UNAVAILABLE = 503, HTTP_GATEWAY_TIMEOUT = 504,
    ctx = {}, config = {subsystem = "http"}, headers_sent = false, status = 0,
}
getmetatable(ngx.null).__tostring = function() return "null" end
local exit = {}

local function flatten(parts, value)
    if type(value) == "table" then
        for _, item in ipairs(value) do
            flatten(parts, item)
        end
    else
        parts[#parts + 1] = tostring(value)
    end
end

local function text(...)
    local parts = {}
    for index = 1, select("#", ...) do
        flatten(parts, (select(index, ...)))
    end
    return table.concat(parts)
end

function ngx.print(...)
    host.write(text(...))
    return 1
end

function ngx.say(...)
    host.write(text(...) .. "\n")
    return 1
end

function ngx.flush()
    host.flush()
    return 1
end

function ngx.eof() end
function ngx.send_headers() end
function ngx.log() end

function ngx.exit(code)
    if code and code >= 200 then
        ngx.status = code
    end
    error({[exit] = code or 0})
end

function ngx.redirect(uri, code)
    ngx.header["Location"] = uri
    ngx.exit(code or 302)
end

-- threads: a thread that waits (sleep, HTTP) lets the others run; the main code waits itself
local function waiting(begin, ...)
    local job = begin(...)
    if coroutine.running() then
        while not job.done() do
            coroutine.yield()
        end
    end
    return job.result()
end
ngx.waiting = waiting

function ngx.sleep(seconds)
    waiting(host.sleep, seconds)
end

ngx.thread = {}

function ngx.thread.spawn(fn, ...)
    local thread = {co = coroutine.create(fn)}
    thread.result = {coroutine.resume(thread.co, ...)}
    return thread
end

function ngx.thread.wait(...)
    while true do
        for _, thread in ipairs({...}) do
            if coroutine.status(thread.co) == "dead" then
                return unpack(thread.result, 1, 10)
            end
            thread.result = {coroutine.resume(thread.co)}
        end
        host.nap()
    end
end

function ngx.thread.kill(thread)
    thread.co = coroutine.create(function() end)
    return 1
end

ngx.timer = {
    at = function(delay, fn, ...)
        local args, count = {...}, select("#", ...)
        ngx.thread.spawn(function()
            ngx.sleep(delay)
            fn(false, unpack(args, 1, count))
        end)
        return true
    end,
}

function ngx.now() return host.now() end
function ngx.time() return math.floor(host.now()) end
function ngx.update_time() end
function ngx.http_time(seconds) return host.http_time(seconds) end
function ngx.localtime() return os.date("%Y-%m-%d %H:%M:%S") end
function ngx.today() return os.date("%Y-%m-%d") end

function ngx.escape_uri(value) return host.escape_uri(value) end
function ngx.unescape_uri(value) return host.unescape_uri(value) end
function ngx.encode_base64(value) return host.encode_base64(value) end
function ngx.decode_base64(value) return host.decode_base64(value) end
function ngx.md5(value) return host.md5(value) end
function ngx.sha1_bin(value) return host.sha1_bin(value) end
function ngx.crc32_long(value) return host.crc32(value) end
ngx.crc32_short = ngx.crc32_long

function ngx.encode_args(args)
    local keys, parts = {}, {}
    for key in pairs(args) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    for _, key in ipairs(keys) do
        local values = type(args[key]) == "table" and args[key] or {args[key]}
        for _, value in ipairs(values) do
            parts[#parts + 1] = value == true and ngx.escape_uri(key)
                                or ngx.escape_uri(key) .. "=" .. ngx.escape_uri(tostring(value))
        end
    end
    return table.concat(parts, "&")
end

local function put(result, key, value)
    local old = result[key]
    if old == nil then
        result[key] = value
    elseif type(old) == "table" then
        old[#old + 1] = value
    else
        result[key] = {old, value}
    end
end

function ngx.decode_args(query)
    local result = {}
    for pair in (query or ""):gmatch("[^&]+") do
        local key, value = pair:match("^(.-)=(.*)$")
        if key ~= "" then
            put(result, ngx.unescape_uri(key or pair), value and ngx.unescape_uri(value) or true)
        end
    end
    return result
end

ngx.re = {}

local function captures(found)
    if found == nil then
        return nil
    end
    local result = {}
    for index = 0, found.count() do
        result[index] = found.group(index) or false
    end
    found.names(result)
    return result
end

function ngx.re.match(subject, pattern, options, context)
    local found = host.re_search(subject, pattern, options or "", context and context.pos or 1)
    if found and context then
        context.pos = found.stop() + 1
    end
    return captures(found)
end

function ngx.re.find(subject, pattern, options, context, nth)
    local found = host.re_search(subject, pattern, options or "", context and context.pos or 1)
    if found then
        return found.start(nth or 0) + 1, found.stop(nth or 0)
    end
end

function ngx.re.gmatch(subject, pattern, options)
    local at = 1
    return function()
        local found = host.re_search(subject, pattern, options or "", at)
        if found then
            at = found.stop() + 1 + (found.stop() == found.start() and 1 or 0)
        end
        return captures(found)
    end
end

local function substitute(subject, pattern, replace, options, limit)
    local parts, at, count = {}, 1, 0
    while count < limit do
        local found = host.re_search(subject, pattern, options or "", at)
        if not found then
            break
        end
        local groups = captures(found)
        parts[#parts + 1] = subject:sub(at, found.start())
        parts[#parts + 1] = type(replace) == "function" and replace(groups)
            or replace:gsub("%$(%d)", function(digit) return groups[tonumber(digit)] or "" end)
        at, count = found.stop() + 1, count + 1
        if found.stop() == found.start() then
            parts[#parts + 1] = subject:sub(at, at)
            at = at + 1
        end
    end
    parts[#parts + 1] = subject:sub(at)
    return table.concat(parts), count
end

function ngx.re.gsub(subject, pattern, replace, options)
    return substitute(subject, pattern, replace, options, math.huge)
end

function ngx.re.sub(subject, pattern, replace, options)
    return substitute(subject, pattern, replace, options, 1)
end

ngx.worker = {pid = function() return 1 end, id = function() return 0 end, count = function() return 1 end,
              exiting = function() return false end}

-- the request and the response
local insensitive = {__index = function(self, name)
    return type(name) == "string" and rawget(self, (name:lower():gsub("_", "-"))) or nil
end}

function ngx.insensitive(result)
    return setmetatable(result or {}, insensitive)
end

ngx.req = {
    get_headers = function()
        local result = ngx.insensitive()
        host.each_header(function(name, value) put(result, name:lower(), value) end)
        return result
    end,
    get_method = function() return host.method() end,
    get_uri_args = function() return ngx.decode_args(host.var("args")) end,
    get_post_args = function() return ngx.decode_args(host.body()) end,
    http_version = function() return 1.1 end,
    read_body = function() end,
    get_body_data = function()
        local body = host.body()
        return body ~= "" and body or nil
    end,
    set_header = function() end,
    start_time = function() return host.now() end,
}

ngx.var = setmetatable({}, {__index = function(_, name) return host.var(name) end})

ngx.header = setmetatable({}, {
    __newindex = function(_, name, value)
        name = name:gsub("_", "-")
        host.set_header(name, nil)
        if type(value) == "table" then
            for _, item in ipairs(value) do
                host.set_header(name, tostring(item))
            end
        elseif value ~= nil and value ~= "" then
            host.set_header(name, tostring(value))
        end
    end,
    __index = function(_, name) return host.get_header((name:gsub("_", "-"))) end,
})

local socket = {}
socket.__index = socket
ngx.socket = {tcp = function() return setmetatable({}, socket) end}

function socket:settimeout() end
function socket:settimeouts() end
function socket:setkeepalive() return self:close() end

function socket:connect(address, port)
    local wire, err = host.connect(address, port)
    self.wire = wire
    return wire and 1 or nil, err
end

function socket:sslhandshake(_, name, verify)
    local ok, err = self.wire.handshake(name, verify)
    return ok and {} or nil, err
end

function socket:send(data)
    return self.wire.send(text(data))
end

function socket:receive(what)
    return self.wire.receive(what or "*l")
end

function socket:close()
    self.wire.close()
    return 1
end

local unknown = {__index = function(_, name)
    error({unsupported = "ngx." .. tostring(name)})
end}
setmetatable(ngx, unknown)
setmetatable(ngx.req, {__index = function(_, name) error({unsupported = "ngx.req." .. tostring(name)}) end})

--- Runs fn as a content handler. Returns "done", or "error" and the words, or "unsupported" and what is missing.
local function run(fn)
    local ok, err = xpcall(fn, function(problem)
        if type(problem) == "table" then
            return problem
        end
        return debug.traceback(tostring(problem), 2)
    end)
    host.finish(tonumber(ngx.status) or 0)
    if ok or type(err) == "table" and err[exit] then
        return "done", not ok and err[exit] or 0
    elseif type(err) == "table" and err.unsupported then
        return "unsupported", err.unsupported
    end
    return "error", tostring(err)
end

return ngx, run
