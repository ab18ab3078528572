--[[ Runs the trees that regex.py makes, with PCRE's meaning: leftmost, first alternative first, with backtracking.

A tree becomes closures once: each is a function from a position to the end of the match, or nil, and knows what comes
after it. A match allocates nothing but its captures. What needs more than STEPS steps is an error, not "no match".
]]

local error, pairs, tonumber, type, setmetatable = error, pairs, tonumber, type, setmetatable
local byte, sub, find, char, lower = string.byte, string.sub, string.find, string.char, string.lower
local gsub, match = string.gsub, string.match
local concat = table.concat
local unpack = unpack

-- About 10 ms of work.
local STEPS = 200000

-- The running match; no match runs inside another.
local subject, size, steps = "", 0, 0
-- captures[2n - 1], captures[2n]: the first and last position of group n, false when it took no part
local captures, starts = {}, {}

local function step()
  steps = steps + 1
  if steps > STEPS then error("the regular expression needs more than " .. STEPS .. " steps for this text", 0) end
end

local compile

local function bytes_of_set(node)
  local set = {}
  for i = 2, #node, 2 do
    for code = node[i], node[i + 1] do set[code] = true end
  end
  return set
end

-- The set of a node that always takes exactly one byte, else nil.
local function single(node)
  if node[1] == "set" then return bytes_of_set(node) end
  if node[1] == "lit" and #node[2] == 1 then return { [byte(node[2])] = true } end
end

local function literal(text, after)
  local length = #text
  if length == 1 then
    local code = byte(text)
    return function(at)
      if byte(subject, at) == code then return after(at + 1) end
    end
  end
  return function(at)
    if sub(subject, at, at + length - 1) == text then return after(at + length) end
  end
end

local function one_of(set, after)
  return function(at)
    if set[byte(subject, at)] then return after(at + 1) end
  end
end

local function repeat_single(set, low, high, kind, after)
  if kind == "lazy" then
    return function(at)
      local last, count = at, 0
      while true do
        if count >= low then
          step()
          local stop = after(last)
          if stop then return stop end
        end
        if count >= high or not set[byte(subject, last)] then return nil end
        last, count = last + 1, count + 1
      end
    end
  end
  return function(at)
    local last, limit = at, at + high
    while last < limit and set[byte(subject, last)] do last = last + 1 end
    steps = steps + (last - at) / 8
    if kind == "possessive" then
      if last - at >= low then return after(last) end
      return nil
    end
    for stop_at = last, at + low, -1 do
      step()
      local stop = after(stop_at)
      if stop then return stop end
    end
  end
end

local function repeat_group(node, low, high, lazy, after)
  local count, last = 0, nil
  local body
  local function more(at, done, before)
    if done < high and not (done >= low and at == before) then
      count, last = done + 1, at
      local stop = body(at)
      count, last = done, before
      return stop
    end
  end
  local function leave(at, done, before)
    if done >= low then
      local stop = after(at)
      count, last = done, before
      return stop
    end
  end
  local function loop(at)
    step()
    local done, before = count, last
    if lazy then return leave(at, done, before) or more(at, done, before) end
    return more(at, done, before) or leave(at, done, before)
  end
  body = compile(node, loop)
  return function(at)
    local outer_count, outer_last = count, last
    count, last = 0, nil
    local stop = loop(at)
    count, last = outer_count, outer_last
    return stop
  end
end

local function finish(at)
  return at
end

local function saved()
  return { unpack(captures, 1, captures.n * 2) }
end

local function restore(before)
  for i = 1, captures.n * 2 do captures[i] = before[i] end
end

-- Inside is decided once and for all: what comes after cannot make it try again.
local function atomic(node, after)
  local inner = compile(node, finish)
  return function(at)
    local before = saved()
    local stop = inner(at)
    local finished = stop and after(stop)
    if not finished then restore(before) end
    return finished
  end
end

local function look(node, after)
  local behind, negated, width = node[2] == "behind", node[3], node[4]
  local inner = compile(node[5], finish)
  return function(at)
    local before = saved()
    local from = behind and at - width or at
    local found = from >= 1 and inner(from)
    if negated then
      restore(before)
      if found then return nil end
      return after(at)
    end
    local stop = found and after(at)
    if not stop then restore(before) end
    return stop
  end
end

local function group(index, node, after)
  local first, second = index * 2 - 1, index * 2
  local inner = compile(node, function(at)
    local old_first, old_last = captures[first], captures[second]
    captures[first], captures[second] = starts[index], at - 1
    local stop = after(at)
    if not stop then captures[first], captures[second] = old_first, old_last end
    return stop
  end)
  return function(at)
    local old = starts[index]
    starts[index] = at
    local stop = inner(at)
    starts[index] = old
    return stop
  end
end

local function reference(index, ignore_case, after)
  return function(at)
    local first = captures[index * 2 - 1]
    if not first then return nil end
    local text = sub(subject, first, captures[index * 2])
    local here = sub(subject, at, at + #text - 1)
    if here == text or ignore_case and lower(here) == lower(text) then return after(at + #text) end
  end
end

local word = {}
for code = 0, 255 do word[code] = find(char(code), "[%w_]") ~= nil end

local function at_word_edge(at)
  local before = at > 1 and word[byte(subject, at - 1)] or false
  local here = at <= size and word[byte(subject, at)] or false
  return before ~= here
end

local PLACES = {
  start = function(at) return at == 1 end,
  ["end"] = function(at) return at == size + 1 end,
  ["last line end"] = function(at) return at == size + 1 or at == size and byte(subject, at) == 10 end,
  ["line start"] = function(at) return at == 1 or byte(subject, at - 1) == 10 end,
  ["line end"] = function(at) return at == size + 1 or byte(subject, at) == 10 end,
  word = at_word_edge,
  ["no word"] = function(at) return not at_word_edge(at) end,
}

local function place(name, after)
  local holds = PLACES[name]
  return function(at)
    if holds(at) then return after(at) end
  end
end

local function alternatives(node, after)
  local branches = {}
  for i = 2, #node do branches[i - 1] = compile(node[i], after) end
  return function(at)
    step()
    for i = 1, #branches do
      local stop = branches[i](at)
      if stop then return stop end
    end
  end
end

local KINDS = {
  lit = function(node, after) return literal(node[2], after) end,
  bytes = function(node, after) return literal(char(unpack(node, 2)), after) end,
  set = function(node, after) return one_of(bytes_of_set(node), after) end,
  seq = function(node, after)
    for i = #node, 2, -1 do after = compile(node[i], after) end
    return after
  end,
  alt = alternatives,
  group = function(node, after) return group(node[2], node[3], after) end,
  atomic = function(node, after) return atomic(node[2], after) end,
  look = look,
  ref = function(node, after) return reference(node[2], node[3], after) end,
  at = function(node, after) return place(node[2], after) end,
  ["if"] = function(node, after)
    local yes, no = compile(node[3], after), compile(node[4], after)
    local index = node[2] * 2
    return function(at)
      if captures[index] then return yes(at) end
      return no(at)
    end
  end,
  ["repeat"] = function(node, after)
    local low, high, kind, inner = node[2], node[3], node[4], node[5]
    if high < 0 then high = math.huge end
    local set = single(inner)
    if set then return repeat_single(set, low, high, kind, after) end
    if kind == "possessive" then return atomic({ "repeat", low, node[3], "greedy", inner }, after) end
    return repeat_group(inner, low, high, kind == "lazy", after)
  end,
}

function compile(node, after)
  return KINDS[node[1]](node, after)
end

-- What every match begins with: a literal text, "start" for the start of the text, or nil.
local function beginning(node)
  if node[1] == "lit" then return node[2] end
  if node[1] == "seq" and node[2] then return beginning(node[2]) end
  if node[1] == "group" then return beginning(node[3]) end
  if node[1] == "at" and node[2] == "start" then return node end
end

local Regex = {}
Regex.__index = Regex

local function new(tree)
  local start = beginning(tree.x)
  return setmetatable({
    run = compile(tree.x, finish), groups = tree.n, names = tree.names,
    prefix = type(start) == "string" and start or nil, anchored = type(start) == "table",
  }, Regex)
end

-- First and last position of the leftmost match from `from` on, nil when there is none; the captures stay in `captures`.
local function search(self, text, from)
  subject, size, steps = text, #text, 0
  captures.n = self.groups
  local at, last = from, self.anchored and 1 or size + 1
  while at <= last do
    if self.prefix then
      at = find(text, self.prefix, at, true)
      if not at then return nil end
    end
    step()
    for i = 1, self.groups * 2 do captures[i] = false end
    local stop = self.run(at)
    if stop then return at, stop - 1 end
    at = at + 1
  end
end

local function captured(self, text, first, last)
  local found = { [0] = sub(text, first, last) }
  for i = 1, self.groups do
    found[i] = captures[i * 2 - 1] and sub(text, captures[i * 2 - 1], captures[i * 2]) or false
  end
  for name, index in pairs(self.names) do found[name] = found[index] end
  return found
end

-- first, last, captures ([0] the whole, [n] and [name] text, or false); nil when nothing matches
function Regex:find(text, from)
  local first, last = search(self, text, from or 1)
  if not first then return nil end
  return first, last, captured(self, text, first, last)
end

function Regex:test(text)
  return search(self, text, 1) ~= nil
end

-- $1, ${1}, $0 (the whole) and $$, as ngx.re.sub has them; a group that took no part is empty.
local function expand(template, found)
  if not find(template, "$", 1, true) then return template end
  return (gsub(template, "%$([%${%d]%d*}?)", function(what)
    if byte(what) == 36 then return what end
    local number = match(what, "^{(%d+)}$")
    if number then return found[tonumber(number)] or "" end
    local digits, tail = match(what, "^(%d+)(}?)$")
    return digits and (found[tonumber(digits)] or "") .. tail
  end))
end

-- The text with the first match (every match with `all`) replaced by the template or by replacement(captures), and the
-- number of replacements.
function Regex:replace(text, replacement, all)
  local parts, from, count = {}, 1, 0
  local at = 1
  while at <= #text + 1 do
    local first, last, found = self:find(text, at)
    if not first then break end
    count = count + 1
    parts[#parts + 1] = sub(text, from, first - 1)
    parts[#parts + 1] = type(replacement) == "function" and replacement(found) or expand(replacement, found)
    from = last + 1
    at = last >= first and from or from + 1
    if not all then break end
  end
  if count == 0 then return text, 0 end
  parts[#parts + 1] = sub(text, from)
  return concat(parts), count
end

-- function(text) -> whether the tree matches somewhere in it
local function matcher(tree)
  local regex = new(tree)
  return function(text) return search(regex, text, 1) ~= nil end
end

return { new = new, matcher = matcher }
