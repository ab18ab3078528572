local handlers = {}

function handlers.hello()
    ngx.say("hello world")
end

function handlers.uri()
    ngx.say("uri: ", ngx.var.uri)
    ngx.say("host: ", ngx.req.get_headers()["Host"])
end

return {go = function()
    local handler = handlers[ngx.var.uri:sub(2)]
    if not handler then
        return ngx.exit(404)
    end
    handler()
end}
