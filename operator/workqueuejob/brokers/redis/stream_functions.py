"""The Lua functions in which streams differ from lists; `queue_functions` says what each does."""

SCANNED_MAX = 1000
"""The most entries that one script looks through: Redis serves nobody else meanwhile. It takes
about three milliseconds. What is left is for the next call, or estimated."""

# Delayed entries belong to this consumer, so that the worker's own consumer can be removed.
RESTING_CONSUMER = "wqj-delayed"

STREAM = f"""
local function fresh(limit)
  if redis.call('EXISTS', queue) == 0 then
    return {{}}
  end
  local found = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', limit,
                            'STREAMS', queue, '>')
  if found and found.err then
    if string.find(found.err, 'NOGROUP', 1, true) then
      redis.call('XGROUP', 'CREATE', queue, group, start)
    end
    found = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', limit,
                       'STREAMS', queue, '>')
  end
  return found and found[1][2] or {{}}
end

local function past(found)
  local ids = {{}}
  for n, entry in ipairs(found) do
    ids[n] = entry[1]
  end
  return redis.call('HMGET', attempts, unpack(ids))
end

local function taken_over()
end

local function again(id)
  local found = redis.pcall('XCLAIM', queue, group, consumer, 0, id)
  if found.err then
    if string.find(found.err, 'NOGROUP', 1, true) then
      return false
    end
    redis.call('XCLAIM', queue, group, consumer, 0, id)
  end
  return found[1] and found[1][2]
end

local function drop(id)
  redis.call('XACK', queue, group, id)
end

local function rest(id)
  redis.call('XCLAIM', queue, group, '{RESTING_CONSUMER}', 0, id, 'JUSTID')
end

local function put_back()
  return false
end

local function keep(id)
  redis.call('XCLAIM', queue, group, consumer, 0, id, 'JUSTID')
end

local function bury(target, n)
  redis.call('XADD', target, '*', unpack(ARGV, n))
end

local function length(key)
  return redis.call('XLEN', key)
end

local function each_idle(visit)
  local left = {SCANNED_MAX}
  for _, owner in ipairs(redis.call('XPENDING', queue, group)[4] or {{}}) do
    -- Where all that rests is known, it need not be looked through, however much it is.
    local rests = owner[1] == '{RESTING_CONSUMER}'
      and tonumber(owner[2]) <= redis.call('ZCARD', delayed)
    local from = not rests and '-'
    while from and left > 0 do
      local page = redis.call('XPENDING', queue, group, 'IDLE', lease_ms, from, '+', 100, owner[1])
      for _, entry in ipairs(page) do
        local id = entry[1]
        if not redis.call('ZSCORE', leases, id) and not redis.call('ZSCORE', delayed, id) then
          visit(id)
        end
      end
      left = left - math.max(#page, 1)
      from = #page == 100 and '(' .. page[100][1]
    end
  end
end

local function adopt()
  if not group_state() then
    return
  end
  each_idle(function(id)
    redis.call('HINCRBY', attempts, id, 1)
    redis.call('ZADD', leases, 0, id)
  end)
end

local function leave()
  if not group_state() then
    return
  end
  if #redis.call('XPENDING', queue, group, '-', '+', 1, consumer) == 0 then
    redis.call('XGROUP', 'DELCONSUMER', queue, group, consumer)
  end
end

local function milliseconds(id)
  return tonumber(string.match(id, '^%d+'))
end

-- Ids begin with the time at which entries were added, so a part of the time is a part of them.
local function estimate(state, at_least)
  local info = read_pairs(redis.call('XINFO', 'STREAM', queue))
  local first, last = milliseconds(info['first-entry'][1]), milliseconds(info['last-generated-id'])
  local part = (last - milliseconds(state['last-delivered-id'])) / math.max(last - first, 1)
  return math.max(at_least, math.min(math.floor(info['length'] * part), info['length']))
end

local function behind(state)
  if state['lag'] then
    return state['lag']
  end
  if state['last-delivered-id'] == '0-0' then
    return redis.call('XLEN', queue)
  end
  -- Redis before 7.0 has no lag, and later ones have none after an XDEL.
  local lag, from = 0, '(' .. state['last-delivered-id']
  repeat
    local page = redis.call('XRANGE', queue, from, '+', 'COUNT', 100)
    lag = lag + #page
    from = #page == 100 and '(' .. page[100][1]
    if from and lag >= {SCANNED_MAX} then
      return estimate(state, lag), true
    end
  until not from
  return lag
end

local function measure(held, resting)
  local state = group_state()
  if not state then
    return start == '0' and redis.call('XLEN', queue) or 0, 0
  end
  local foreign, stale = math.max(state['pending'] - held - resting, 0), 0
  if foreign > 0 and lease_ms > 0 then
    each_idle(function()
      stale = stale + 1
    end)
  end
  local lag, is_estimate = behind(state)
  return lag + stale, math.max(foreign - stale, 0), is_estimate
end
"""

_GROUP_STATE = """
local function read_pairs(found)
  local state = {}
  for n = 1, #found, 2 do
    state[found[n]] = found[n + 1]
  end
  return state
end

local function group_state()
  if redis.call('EXISTS', queue) == 0 then
    return nil
  end
  for _, found in ipairs(redis.call('XINFO', 'GROUPS', queue)) do
    local state = read_pairs(found)
    if state['name'] == group then
      return state
    end
  end
  return nil
end
"""

STREAM = _GROUP_STATE + STREAM
