use t::APISIX 'no_plan';

repeat_each(1);

our $missing = '{"error_msg":"404 Route Not Found"}';

add_block_preprocessor(sub {
    my ($block) = @_;
    if (!$block->request) {
        $block->set_value("request", "GET /t");
    }
});

run_tests();

__DATA__

=== TEST 1: a route is made by the block's Lua
--- config
    location /t {
        content_by_lua_block {
            local t = require("lib.test_admin").test
            local code, body = t('/apisix/admin/routes/1', ngx.HTTP_PUT, [[{
                "uri": "/hello",
                "upstream": {"type": "roundrobin", "nodes": {"127.0.0.1:1980": 1}}
            }]], {uri = "/hello"})
            ngx.status = code
            ngx.say(body) -- a } in a comment
        }
    }
--- error_code: 201
--- response_body
passed



=== TEST 2: its answer comes from the upstream
--- request
GET /hello
--- response_body
hello world
--- response_headers
X-None:



=== TEST 3: an expression in Perl says what is expected
--- request
GET /none
--- error_code: 404
--- response_body eval
"$main::missing\n"



=== TEST 4: two requests, two expectations
--- pipelined_requests eval
["GET /hello", "GET /none"]
--- error_code eval
[200, 404]
--- response_body eval
["hello world\n", qr/404 ROUTE/i]



=== TEST 5: this expects what is not so
--- request
GET /hello
--- response_body
good bye



=== TEST 6: this reads APISIX's log
--- request
GET /hello
--- error_log
anything



=== TEST 7: this needs the inside of APISIX
--- config
    location /t {
        content_by_lua_block {
            require("apisix.balancer").run()
        }
    }
--- response_body
passed



=== TEST 8: this asks for Lua in a route
--- config
    location /t {
        content_by_lua_block {
            local t = require("lib.test_admin").test
            local code, body = t('/apisix/admin/routes/2', ngx.HTTP_PUT, [[{
                "uri": "/uri",
                "filter_func": "function(vars) return true end",
                "upstream": {"type": "roundrobin", "nodes": {"127.0.0.1:1980": 1}}
            }]])
            ngx.say(body)
        }
    }
--- response_body
passed



=== TEST 9: and this relies on that route
--- request
GET /uri
--- response_body
uri: /uri
