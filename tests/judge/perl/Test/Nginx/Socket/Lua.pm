# t::APISIX exports all that the files use of it.
package Test::Nginx::Socket::Lua;
1;
