"""The Lua functions in which lists and streams differ; `scripts` builds the scripts on them.

    fresh(limit, token)   return items that no worker has had: {{id, body}, ...}
    past(found)           return the attempts that were counted of these items: numbers or false
    taken_over(n)         remove the n items, which are held now, from where `fresh` found them
    again(id)             return the body of an item that a worker has had, or false if it is gone
    drop(id)              remove a settled item
    rest(id)              put an item where it rests
    put_back(id)          undo `fresh`, and return whether that is possible
    keep(id)              note that the lease was renewed
    bury(target, n)       add the dead letter, which is in ARGV from n on
    length(key)           return the number of items in a key of this kind
    measure(held, resting, processing)   return how many items are ready, and how many in the hands
                          of foreign programs
    adopt()               hold the pending entries that no lease covers, so that the next claim
                          takes them
    leave()               remove the consumer, if nothing is pending for it

A list's item gets an id, the token of the claim that took it first; a stream's entry has an id.
Nothing in here connects.
"""

LIST = """
local function fresh(limit, token)
  local found, kept = redis.call('LRANGE', queue, 0, limit - 1), {}
  for n, body in ipairs(found) do
    local id = n == 1 and token or token .. '-' .. n
    kept[2 * n - 1], kept[2 * n] = id, body
    found[n] = {id, body}
  end
  if #found > 0 then
    redis.call('HSET', items, unpack(kept))
  end
  return found
end

local function past()
  return {}
end

local function taken_over(n)
  if n > 0 then
    redis.call('LTRIM', queue, n, -1)
  end
end

local function again(id)
  return redis.call('HGET', items, id)
end

local function drop(id)
  redis.call('HDEL', items, id)
end

local function rest()
end

local function put_back(id)
  redis.call('LPUSH', queue, redis.call('HGET', items, id))
  redis.call('HDEL', items, id)
  return true
end

local function keep()
end

local function bury(target, n)
  redis.call('RPUSH', target, ARGV[n])
end

local function length(key)
  return redis.call('LLEN', key)
end

local function measure(held, resting, processing)
  return redis.call('LLEN', queue), processing and redis.call('LLEN', processing) or 0
end

local function adopt()
end

local function leave()
end
"""

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
  local from = '-'
  repeat
    local page = redis.call('XPENDING', queue, group, 'IDLE', lease_ms, from, '+', 100)
    for _, entry in ipairs(page) do
      local id = entry[1]
      if not redis.call('ZSCORE', leases, id) and not redis.call('ZSCORE', delayed, id) then
        visit(id)
      end
    end
    from = #page == 100 and '(' .. page[100][1]
  until not from
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
    local page = redis.call('XRANGE', queue, from, '+', 'COUNT', 1000)
    lag = lag + #page
    from = #page == 1000 and '(' .. page[1000][1]
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
  return behind(state) + stale, math.max(foreign - stale, 0)
end
"""

_GROUP_STATE = """
local function group_state()
  if redis.call('EXISTS', queue) == 0 then
    return nil
  end
  for _, found in ipairs(redis.call('XINFO', 'GROUPS', queue)) do
    local state = {}
    for n = 1, #found, 2 do
      state[found[n]] = found[n + 1]
    end
    if state['name'] == group then
      return state
    end
  end
  return nil
end
"""

STREAM = _GROUP_STATE + STREAM
