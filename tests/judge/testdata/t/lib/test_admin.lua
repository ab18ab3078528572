local http = require("resty.http")
local json = require("toolkit.json")

local methods = {[ngx.HTTP_PUT] = "PUT", [ngx.HTTP_GET] = "GET", [ngx.HTTP_DELETE] = "DELETE"}

return {test = function(uri, method, body, expected)
    local res = assert(http.new():request_uri("http://127.0.0.1:1984" .. uri, {method = methods[method], body = body}))
    if res.status >= 300 then
        return res.status, res.body
    end
    local found = json.decode(res.body)
    if expected and found.value.uri ~= expected.uri then
        return 500, "failed"
    end
    return res.status, "passed", res.body
end}
