"""The Lua functions in which lists and streams differ, for lists; `scripts` builds on them.

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
    measure(held, resting, processing)   return how many items are ready, how many in the hands of
                          foreign programs, and whether the first number is an estimate
    adopt()               hold the pending entries that no lease covers, so that the next claim
                          takes them
    leave()               remove the consumer, if nothing is pending for it

Those of streams are in `stream_functions`. A list's item gets an id, the token of the claim that
took it first; a stream's entry has an id.
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
