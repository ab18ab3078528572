--[[ Counters that all workers of Envoy share: a file mapped into memory, one mutex, a table of fixed size.

    local counters, problem = shm.open(path)
    counters:fixed(key, cost, window)           -> used, seconds until the window ends
    counters:sliding(key, cost, limit, window)  -> accepted, used, used in the window before, seconds until the window ends
    nil, problem                                when the table cannot be used

A fixed window begins with its first request. Every call is one step under the lock, so counts are exact for any number
of workers. The file outlives the Lua states (a new configuration over ECDS) and Envoy itself, but no reboot: its clock
is the machine's uptime. Keys are kept as a keyed 64-bit hash, so the file holds nothing of what clients sent.
A slot is free again when its window is over; where none is free, the counter that would end first makes room.
]]

local ffi = require "ffi"
local bit = require "bit"
local cache = require "gatechat.cache"

local C = ffi.C
local band, bxor, rol, tobit = bit.band, bit.bxor, bit.rol, bit.tobit
local byte, floor, pcall, setmetatable = string.byte, math.floor, pcall, setmetatable

ffi.cdef [[
  typedef struct { long seconds, nanoseconds; } gatechat_time;
  typedef union { char bytes[64]; long long align; } gatechat_lock;
  typedef struct { int h1, h2; double ends, used, before, window; } gatechat_counter;
  typedef struct {
    char boot[64];
    unsigned int layout;
    int seed[2];
    gatechat_lock lock;
    gatechat_counter counters[?];
  } gatechat_counters;

  int open(const char *path, int flags, ...);
  int close(int fd);
  int flock(int fd, int operation);
  int ftruncate(int fd, long length);
  int posix_fallocate(int fd, long offset, long length);
  void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset);
  int munmap(void *address, size_t length);
  int getpid(void);
  char *strerror(int number);
  int clock_gettime(int clock, gatechat_time *time);
  int pthread_mutexattr_init(void *attributes);
  int pthread_mutexattr_setpshared(void *attributes, int shared);
  int pthread_mutexattr_setrobust(void *attributes, int robust);
  int pthread_mutex_init(void *lock, const void *attributes);
  int pthread_mutex_lock(void *lock);
  int pthread_mutex_unlock(void *lock);
  int pthread_mutex_consistent(void *lock);
]]

local LINUX = ffi.os == "Linux"
local O_RDWR_CREAT = LINUX and 0x42 or 0x202
local PROT_READ_WRITE, MAP_SHARED, LOCK_EX, LOCK_UN = 3, 1, 2, 8
local CLOCK = LINUX and 7 or 6 -- CLOCK_BOOTTIME; macOS: CLOCK_MONOTONIC
local EOWNERDEAD = 130

local LAYOUT = 1
local SLOTS = 2 ^ 17 -- 48 bytes each
local PROBES = 32
local HASHES = 2048 -- remembered by each Lua state; twice at most

local Counters = {}
Counters.__index = Counters

local clock = ffi.new "gatechat_time"

local function now()
  C.clock_gettime(CLOCK, clock)
  return tonumber(clock.seconds) + tonumber(clock.nanoseconds) / 1e9
end

-- HalfSipHash-2-4 with a 64-bit result (Aumasson and Bernstein); the key keeps clients from choosing collisions.
local function rounds(count, a, b, c, d)
  for _ = 1, count do
    a = tobit(a + b); b = bxor(rol(b, 5), a); a = rol(a, 16)
    c = tobit(c + d); d = bxor(rol(d, 8), c)
    a = tobit(a + d); d = bxor(rol(d, 7), a)
    c = tobit(c + b); b = bxor(rol(b, 13), c); c = rol(c, 16)
  end
  return a, b, c, d
end

local function hash(text, seed1, seed2)
  local a, b, c, d = seed1, bxor(seed2, 0xee), bxor(0x6c796765, seed1), bxor(0x74656462, seed2)
  local length = #text
  local whole = length - length % 4
  for i = 1, whole, 4 do
    local w1, w2, w3, w4 = byte(text, i, i + 3)
    local word = tobit(w1 + w2 * 0x100 + w3 * 0x10000 + w4 * 0x1000000)
    d = bxor(d, word)
    a, b, c, d = rounds(2, a, b, c, d)
    a = bxor(a, word)
  end
  local w1, w2, w3 = byte(text, whole + 1, length)
  local word = tobit((w1 or 0) + (w2 or 0) * 0x100 + (w3 or 0) * 0x10000 + (length % 256) * 0x1000000)
  d = bxor(d, word)
  a, b, c, d = rounds(2, a, b, c, d)
  a = bxor(a, word)
  c = bxor(c, 0xee)
  a, b, c, d = rounds(4, a, b, c, d)
  local h1 = bxor(b, d)
  b = bxor(b, 0xdd)
  a, b, c, d = rounds(4, a, b, c, d)
  return h1, bxor(b, d)
end

local function failed(what, path, number)
  return nil, what .. " " .. path .. ": " .. ffi.string(C.strerror(number or ffi.errno()))
end

-- What the file's clock and mutex belong to. Where the system has no boot id, counters end with the process.
local function boot_id()
  local file = io.open "/proc/sys/kernel/random/boot_id"
  if not file then return "process " .. C.getpid() end
  local id = file:read "*l"
  file:close()
  return id
end

local function random_seed()
  local file, problem = io.open("/dev/urandom", "rb")
  if not file then return nil, problem end
  local a, b, c, d, e, f, g, h = byte(file:read(8), 1, 8)
  file:close()
  return tobit(a + b * 0x100 + c * 0x10000 + d * 0x1000000), tobit(e + f * 0x100 + g * 0x10000 + h * 0x1000000)
end

local function initialise(area, size, boot)
  local seed1, seed2 = random_seed()
  if not seed1 then return nil, seed2 end
  ffi.fill(area, size)
  area.seed[0], area.seed[1] = seed1, seed2
  local attributes = ffi.new "gatechat_lock"
  C.pthread_mutexattr_init(attributes)
  C.pthread_mutexattr_setpshared(attributes, 1)
  if LINUX then C.pthread_mutexattr_setrobust(attributes, 1) end
  local number = C.pthread_mutex_init(area.lock, attributes)
  if number ~= 0 then return failed("cannot make a lock in", "the counters", number) end
  ffi.copy(area.boot, boot)
  area.layout = LAYOUT
  return true
end

local function map(fd, path, slots)
  local size = ffi.sizeof("gatechat_counters", slots)
  -- Reserved, not sparse: a full disk is told here, not by a bus error in the middle of a request.
  local number = LINUX and C.posix_fallocate(fd, 0, size) or C.ftruncate(fd, size)
  if number ~= 0 then return failed("cannot reserve " .. size .. " bytes for", path, LINUX and number or nil) end
  local address = C.mmap(nil, size, PROT_READ_WRITE, MAP_SHARED, fd, 0)
  if ffi.cast("intptr_t", address) == -1 then return failed("cannot map", path) end
  local area = ffi.gc(ffi.cast("gatechat_counters *", address), function(pointer) C.munmap(pointer, size) end)
  local boot = boot_id()
  if area.layout ~= LAYOUT or ffi.string(area.boot) ~= boot then
    local done, problem = initialise(area, size, boot)
    if not done then return nil, problem end
  end
  return setmetatable({ area = area, slots = slots, hashes = cache.new(HASHES) }, Counters)
end

local function open(path, slots)
  local fd = C.open(path, O_RDWR_CREAT, ffi.cast("int", 0x180)) -- mode 0600
  if fd < 0 then return failed("cannot open", path) end
  local counters, problem
  if C.flock(fd, LOCK_EX) ~= 0 then
    counters, problem = failed("cannot lock", path)
  else
    counters, problem = map(fd, path, slots or SLOTS)
    C.flock(fd, LOCK_UN) -- close() alone does not: the mapping keeps the open file
  end
  C.close(fd)
  return counters, problem
end

-- The slot of a key whose own place another has taken; a reused one starts from zero.
local function seek(self, h1, h2, time)
  local counters, mask = self.area.counters, self.slots - 1
  local spare, spare_ends
  for i = 0, PROBES - 1 do
    local index = band(h1 + i, mask)
    local counter = counters[index]
    local ends = counter.ends
    if counter.h1 == h1 and counter.h2 == h2 and ends > time then return index end
    if not spare or (ends < spare_ends and spare_ends > time) then spare, spare_ends = index, ends end
    if ends == 0 then break end
  end
  local counter = counters[spare]
  counter.h1, counter.h2, counter.ends, counter.used, counter.before, counter.window = h1, h2, 0, 0, 0, 0
  return spare
end

-- Without a loop: LuaJIT compiles no function that may return from within one.
local function slot_of(self, h1, h2, time)
  local index = band(h1, self.slots - 1)
  local counter = self.area.counters[index]
  if counter.h1 ~= h1 or counter.h2 ~= h2 or counter.ends <= time then index = seek(self, h1, h2, time) end
  return self.area.counters[index]
end

local function add_fixed(self, h1, h2, cost, window)
  local time = now()
  local counter = slot_of(self, h1, h2, time)
  local used, ends = counter.used + cost, counter.ends
  if ends == 0 then
    ends = time + window
    counter.ends = ends
  end
  counter.used = used
  return used, ends - time
end

-- The window before counts by the part of it that a window ending now still covers. Nothing is added on a refusal.
local function add_sliding(self, h1, h2, cost, window, limit)
  local time = now()
  local counter = slot_of(self, h1, h2, time)
  local number = floor(time / window)
  local left = window - time % window
  if counter.window ~= number then
    counter.before = counter.window == number - 1 and counter.used or 0
    counter.used, counter.window = 0, number
  end
  counter.ends = time + left + window
  local used, before = counter.used, counter.before
  if used + before * left / window + cost > limit then return false, used, before, left end
  counter.used = used + cost
  return true, used + cost, before, left
end

-- The hash of a key is the same as long as the file is mapped, and takes longer than all of the rest.
local function hashed(self, key)
  local found = self.hashes:get(key)
  if found then return found end
  local seed = self.area.seed
  local h1, h2 = hash(key, seed[0], seed[1])
  return self.hashes:put(key, { h1, h2 })
end

local function locked(self, step, key, cost, window, limit)
  local found, lock = hashed(self, key), self.area.lock
  local number = C.pthread_mutex_lock(lock)
  if number == EOWNERDEAD and LINUX then
    number = C.pthread_mutex_consistent(lock)
  end
  if number ~= 0 then return failed("cannot lock", "the counters", number) end
  local ok, a, b, c, d = pcall(step, self, found[1], found[2], cost, window, limit)
  C.pthread_mutex_unlock(lock)
  if not ok then return nil, a end
  return a, b, c, d
end

function Counters:fixed(key, cost, window)
  return locked(self, add_fixed, key, cost, window)
end

function Counters:sliding(key, cost, limit, window)
  return locked(self, add_sliding, key, cost, window, limit)
end

return { open = open, hash = hash }
