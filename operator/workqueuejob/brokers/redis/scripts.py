"""The Lua scripts by which items change hands in Redis; each is atomic, on the server's time.

A script has three parts: the lease machinery that lists and streams share, the functions in which
they differ (`queue_functions`), and one operation. Each script takes the keys of `RedisKeys.all`
and then, where there is one, the dead-letter target. Nothing in here connects.

An item is fresh, held (in `leases`) or delayed, and one of these at a time. A settling operation
compares the token of the claim, and changes no item where the token is another's.
A command that fails, for example because of a missing right, ends a script half-way. So each script
first writes where an item goes, and only then removes it from where it was.
A server that is full can still be drained: operations that move an item go on, though they may need
a little more memory (a lease, a delay). A dead letter waits, because it adds data.
`attempts` has two numbers for an item: under its id the attempts that were begun, and under its id
after 'lost:' those of them that ended without a word.
The first item of a claim is begun, which counts as an attempt. The others are only fetched (their
token is marked by '-'), and count when they are begun.
"""

from dataclasses import dataclass

from workqueuejob.brokers.redis.queue_functions import LIST
from workqueuejob.brokers.redis.stream_functions import STREAM

COUNTS_KEPT_SECONDS = 7 * 24 * 3600

# ARGV of every script: run, group, consumer, where a new group begins, lease in ms, and whether
# this repeats a settling step that got no answer.
_MACHINERY = f"""
local queue, leases, delayed, tokens = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local attempts, items, counts = KEYS[5], KEYS[6], KEYS[7]
local run, group, consumer, start = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease_ms = tonumber(ARGV[5])

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function count(name)
  if run ~= '' then
    redis.call('HINCRBY', counts, name, 1)
    redis.call('EXPIRE', counts, {COUNTS_KEPT_SECONDS})
  end
end
"""

_SETTLING = """
-- Redis refuses a script that may need memory when that is full, unless it has written before.
local function go_on_when_full()
  redis.call('ZREM', leases, '')
end

local function holds(id, token)
  local found = redis.call('HGET', tokens, id)
  if found == token or found == '-' .. token then
    return found
  end
  if ARGV[6] ~= '1' then
    go_on_when_full()
    count('leases_lost')
  end
  return false
end

local function forget(id)
  drop(id)
  redis.call('ZREM', leases, id)
  redis.call('HDEL', tokens, id)
  redis.call('HDEL', attempts, id, 'lost:' .. id)
end

local function rest_until(id, due)
  go_on_when_full()
  redis.call('ZADD', delayed, due, id)
  redis.call('ZREM', leases, id)
  redis.call('HDEL', tokens, id)
  rest(id)
end

local function give_back(id, begun, seen)
  go_on_when_full()
  local before = tonumber(redis.call('HGET', attempts, id) or 0) - (begun and 1 or 0)
  if not seen and before == 0 and put_back(id) then
    redis.call('ZREM', leases, id)
    redis.call('HDEL', tokens, id)
    redis.call('HDEL', attempts, id)
    return
  end
  rest_until(id, now_ms())
  if seen or before > 0 then
    redis.call('HSET', attempts, id, before)
  else
    redis.call('HDEL', attempts, id)
  end
end
"""

_CLAIMING = """
local function begin(id, token)
  go_on_when_full()
  redis.call('HSET', tokens, id, token)
  redis.call('HINCRBY', attempts, id, 1)
end

local function count_lost(id)
  return tonumber(redis.call('HGET', attempts, 'lost:' .. id) or 0)
end

local function claim(limit, token, adopting)
  local now, taken = now_ms(), {}
  go_on_when_full()
  -- Lua can't pass many thousand arguments at once; what is left is for the next claim.
  limit = math.min(limit, 1000)
  local function hold(found)
    local held_by, ends = {}, {}
    for n, item in ipairs(found) do
      held_by[2 * n - 1], held_by[2 * n] = item[1], '-' .. token
      ends[2 * n - 1], ends[2 * n] = now + lease_ms, item[1]
    end
    if #taken == 0 then
      held_by[2] = token
      redis.call('HINCRBY', attempts, found[1][1], 1)
    end
    redis.call('HSET', tokens, unpack(held_by))
    redis.call('ZADD', leases, unpack(ends))
  end
  local function take_again(id, lost)
    local body = again(id)
    local before = redis.call('HGET', attempts, id)
    if lost then
      count('attempts_lost')
    end
    hold({{id}})
    if lost then
      redis.call('HINCRBY', attempts, 'lost:' .. id, 1)
    end
    -- Where a producer has trimmed the entry, a worker puts aside what is left of the item.
    taken[#taken + 1] = {id, body or '', (before or 0) + 1, before and 1 or 0, lost and 1 or 0,
                         body and 0 or 1, count_lost(id)}
  end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, limit)) do
    local held_by = redis.call('HGET', tokens, id)
    take_again(id, not held_by or string.sub(held_by, 1, 1) ~= '-')
  end
  if #taken < limit then
    local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, limit - #taken)
    for _, id in ipairs(due) do
      take_again(id, false)
      redis.call('ZREM', delayed, id)
    end
  end
  if #taken < limit then
    local found = fresh(limit - #taken, token)
    if #found > 0 then
      local before, first = past(found), #taken + 1
      hold(found)
      for n, item in ipairs(found) do
        local tried = before[n]
        taken[first + n - 1] = tried
          and {item[1], item[2], tried + 1, 1, 0, 0, count_lost(item[1])} or item
      end
      taken_over(#found)
    end
  end
  if adopting then
    adopt()
  end
  return taken
end
"""

# token, limit, whether to adopt -> items, each as id, body, and if a worker had it before: the
# number of this attempt, whether it was redelivered, whether the attempt before was lost, whether
# its entry is gone, how many attempts were lost
_CLAIM = """
return claim(tonumber(ARGV[8]), ARGV[7], ARGV[9] == '1')
"""

# id, token, id to begin or '', token of that item or of the next claim, limit, whether to adopt
# -> whether the item was held: 0 or 1, 2 if the next was begun, too; with a claim: {1, items}
_ACK = """
local id, next_id, next_token, limit = ARGV[7], ARGV[9], ARGV[10], tonumber(ARGV[11])
if not holds(id, ARGV[8]) then
  return 0
end
forget(id)
count('succeeded')
if limit > 0 then
  return {1, claim(limit, next_token, ARGV[12] == '1')}
end
if next_id ~= '' and redis.call('HGET', tokens, next_id) == '-' .. next_token then
  begin(next_id, next_token)
  return 2
end
return 1
"""

# id, token -> whether the item is still held
_BEGIN = """
local id, token = ARGV[7], ARGV[8]
if redis.call('HGET', tokens, id) ~= '-' .. token then
  return 0
end
begin(id, token)
redis.call('ZADD', leases, now_ms() + lease_ms, id)
return 1
"""

# id, token, delay in ms -> whether the item was held
_RETRY = """
local id = ARGV[7]
if not holds(id, ARGV[8]) then
  return 0
end
rest_until(id, now_ms() + tonumber(ARGV[9]))
count('attempts_failed')
return 1
"""

# id, token, whether a worker has had the item, whether it was taken -> whether the item was held
_RELEASE = """
local id = ARGV[7]
local found = holds(id, ARGV[8])
if not found then
  return 0
end
give_back(id, found == ARGV[8], ARGV[9] == '1')
if ARGV[10] == '1' then
  count('released')
end
return 1
"""

# token of a claim whose answer was lost -> how many items came back
_RECALL = """
local claimed, recalled = redis.call('HGETALL', tokens), 0
for n = 1, #claimed, 2 do
  if claimed[n + 1] == ARGV[7] or claimed[n + 1] == '-' .. ARGV[7] then
    give_back(claimed[n], claimed[n + 1] == ARGV[7], false)
    recalled = recalled + 1
  end
end
return recalled
"""

# id, token, whether this attempt failed, payload of the dead letter... -> whether the item was held
_DEAD_LETTER = """
local id = ARGV[7]
if not holds(id, ARGV[8]) then
  return 0
end
if KEYS[8] then
  bury(KEYS[8], 10)
end
forget(id)
count(KEYS[8] and 'dead_lettered' or 'discarded')
if ARGV[9] == '1' then
  count('attempts_failed')
end
return 1
"""

# (id, token)... -> ids that are lost
_RENEW = """
go_on_when_full()
local ends, lost = now_ms() + lease_ms, {}
for n = 7, #ARGV, 2 do
  if holds(ARGV[n], ARGV[n + 1]) then
    redis.call('ZADD', leases, ends, ARGV[n])
    keep(ARGV[n])
  else
    lost[#lost + 1] = ARGV[n]
  end
end
return lost
"""

# whether KEYS[8] is the dead-letter target, whether the last of KEYS is a processing list, whether
# to try a write -> ready, in flight, delayed, dead-lettered or -1, counters, why writes are
# refused, whether the numbers are exact
_DEPTH = """
local now, dead = now_ms(), -1
if ARGV[7] == '1' then
  dead = length(KEYS[8])
end
local expired = redis.call('ZCOUNT', leases, '-inf', now)
local held = redis.call('ZCARD', leases) - expired
local due = redis.call('ZCOUNT', delayed, '-inf', now)
local resting = redis.call('ZCARD', delayed) - due
local processing = ARGV[8] == '1' and KEYS[#KEYS]
local ready, foreign, is_estimate = measure(expired + held, due + resting, processing)
local counted = run ~= '' and redis.call('HGETALL', counts) or {}
local refusal = ''
if ARGV[9] == '1' then
  -- It changes nothing: no item is called ''. A server that is full reads as well as ever.
  local tried = redis.pcall('ZADD', leases, 'XX', 0, '')
  refusal = type(tried) == 'table' and tried.err or ''
end
local is_exact = is_estimate and 0 or 1
return {ready + expired + due, held + foreign, resting, dead, counted, refusal, is_exact}
"""

# -> 1; removes the consumer, unless something is pending for it
_LEAVE = """
leave()
return 1
"""


@dataclass(frozen=True, slots=True)
class Scripts:
    """The scripts of one kind of queue, as Lua."""

    claim: str
    ack: str
    begin: str
    retry: str
    release: str
    recall: str
    dead_letter: str
    renew: str
    depth: str
    leave: str


def _build(kind: str) -> Scripts:
    common = _MACHINERY + kind
    settling = common + _SETTLING
    claiming = settling + _CLAIMING
    return Scripts(
        claim=claiming + _CLAIM,
        ack=claiming + _ACK,
        begin=claiming + _BEGIN,
        retry=settling + _RETRY,
        release=settling + _RELEASE,
        recall=settling + _RECALL,
        dead_letter=settling + _DEAD_LETTER,
        renew=settling + _RENEW,
        depth=common + _DEPTH,
        leave=common + _LEAVE,
    )


LIST_SCRIPTS = _build(LIST)
STREAM_SCRIPTS = _build(STREAM)
