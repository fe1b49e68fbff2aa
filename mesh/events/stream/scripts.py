"""The steps of the Redis engine that have to be atomic, as Lua scripts.

A partition is a stream whose entry ids are `<ms>-<n>`: `ms` never falls and `n` grows by one with every record of the partition, so that ids
order, tell the time, and show by a gap in `n` that records were trimmed unread. The newest id stands beside the stream under its head key.
A group's hold on a partition is a hash: owner, until (ms), fence, position (the last acknowledged id), server (the process that gave the fence).

Replication is asynchronous: after a failover, and after a crash, the server may stand where it stood a moment ago, while readers and publishers
remember more. A hold from before is therefore no hold on this process, and a publisher's mark, which moves with its records, tells it what is missing.
"""

from __future__ import annotations

from typing import Final

from mesh.stores.redis import Script

_NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_SERVER: Final = """
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
"""

PUBLISH: Final = Script(
    _NOW
    + """
-- KEYS: stream, head of each partition, mark if there is one. ARGV: bell, most records, retention in ms, where the mark is and where it goes,
-- then per record: index of its partition, key, value.
local partitions = math.floor(#KEYS / 2)
if #KEYS % 2 == 1 then
  local mark = redis.call('GET', KEYS[#KEYS]) or ''
  if mark == ARGV[5] then return 'ok' end
  if mark ~= ARGV[4] then return 'at' .. mark end
end
local heads = {}
for i = 1, partitions do
  local ms, n = string.match(redis.call('GET', KEYS[2 * i]) or '0-0', '^(%d+)-(%d+)$')
  heads[i] = { tonumber(ms), tonumber(n) }
end
for r = 6, #ARGV, 3 do
  local i = tonumber(ARGV[r])
  local head = heads[i]
  head[1] = math.max(head[1], now)
  head[2] = head[2] + 1
  redis.call('XADD', KEYS[2 * i - 1], 'MAXLEN', '~', ARGV[2], string.format('%.0f-%.0f', head[1], head[2]), 'k', ARGV[r + 1], 'v', ARGV[r + 2])
end
for i, head in ipairs(heads) do
  redis.call('SET', KEYS[2 * i], string.format('%.0f-%.0f', head[1], head[2]))
  redis.call('XTRIM', KEYS[2 * i - 1], 'MINID', '~', string.format('%.0f', now - ARGV[3]))
  redis.call('PUBLISH', ARGV[1], KEYS[2 * i - 1])
end
-- Last, for a script that fails keeps what it wrote before.
if #KEYS % 2 == 1 then redis.call('SET', KEYS[#KEYS], ARGV[5]) end
return 'ok'
"""
)
"""Append records in order, trim, ring the bell of each partition, move the mark; answers ok, or at and the mark when that is elsewhere.

A mark that is there already says that this very step was made before: its answer was lost and the client sent it again.
"""

HEARTBEAT: Final = Script(
    _NOW
    + _SERVER
    + """
-- KEYS: members, then the hold of each partition. ARGV: bell, member, lease in ms, offset of the topic, then per partition the fence held or 0.
local gone = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local came = redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), ARGV[2])
if gone + came > 0 then
  redis.call('PUBLISH', ARGV[1], KEYS[1])
end
local members = redis.call('ZRANGE', KEYS[1], 0, -1)
table.sort(members)
local rank = 0
for i, member in ipairs(members) do
  if member == ARGV[2] then rank = i - 1 end
end
local owned = {}
for p = 0, #KEYS - 2 do
  local key = KEYS[p + 2]
  if (p + ARGV[4]) % #members == rank then
    local hold = redis.call('HMGET', key, 'owner', 'until', 'fence', 'position', 'server')
    local ours = hold[1] == ARGV[2]
    local fence = hold[3]
    if ours and fence == ARGV[p + 5] and hold[5] == server then
      redis.call('HSET', key, 'until', string.format('%.0f', now + ARGV[3]))
      table.insert(owned, { p, fence, hold[4] or '0-0' })
    elseif ours or not hold[1] or tonumber(hold[2]) <= now then
      fence = string.format('%.0f', math.max(tonumber(fence or 0) + 1, now))
      redis.call('HSET', key, 'owner', ARGV[2], 'until', string.format('%.0f', now + ARGV[3]), 'fence', fence, 'server', server)
      table.insert(owned, { p, fence, hold[4] or '0-0' })
    end
  end
end
return { server, owned }
"""
)
"""Stay a member, renew what is held, take what is free and ours by rank; answers the server and [partition, fence, position] of all that is ours.

What a member holds beyond its share is not renewed: it lets go of it by itself, or the lease runs out. A taken hold gets a fence above every
earlier one, by the clock even when the server lost its contents.
"""

ACKNOWLEDGE: Final = Script(
    _SERVER
    + """
-- KEYS: hold. ARGV: member, fence, position.
local hold = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'position', 'server')
if hold[1] ~= ARGV[1] or hold[2] ~= ARGV[2] or hold[4] ~= server then return 0 end
local function order(position) return tonumber(string.match(position, '-(%d+)$')) end
if order(ARGV[3]) > order(hold[3] or '0-0') then
  redis.call('HSET', KEYS[1], 'position', ARGV[3])
end
return 1
"""
)
"""Move the position forward while the fence holds; 0 when it does not, and then nothing moved."""

RELEASE: Final = Script(
    """
-- KEYS: members, hold. ARGV: bell, member, fence.
local hold = redis.call('HMGET', KEYS[2], 'owner', 'fence')
if hold[1] == ARGV[2] and hold[2] == ARGV[3] then
  redis.call('HDEL', KEYS[2], 'owner', 'until')
  redis.call('PUBLISH', ARGV[1], KEYS[1])
end
return 0
"""
)
"""Let go of a hold at once, if it is still ours."""

LEAVE: Final = Script(
    """
-- KEYS: members. ARGV: bell, member.
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[1], KEYS[1])
return 0
"""
)
"""Stop being a member."""

REWIND: Final = Script(
    """
-- KEYS: members, then stream, hold of each partition. ARGV: bell, first moment to read again in ms.
for i = 2, #KEYS, 2 do
  local position = '0-0'
  if tonumber(ARGV[2]) > 0 then
    local before = redis.call('XREVRANGE', KEYS[i], string.format('(%.0f-0', tonumber(ARGV[2])), '-', 'COUNT', 1)
    if before[1] then position = before[1][1] end
  end
  -- What the group never read stays unread, whatever moment is named.
  local stands = redis.call('HGET', KEYS[i + 1], 'position') or '0-0'
  if tonumber(string.match(stands, '%d+$')) < tonumber(string.match(position, '%d+$')) then position = stands end
  redis.call('HDEL', KEYS[i + 1], 'owner', 'until')
  redis.call('HSET', KEYS[i + 1], 'position', position)
end
redis.call('PUBLISH', ARGV[1], KEYS[1])
return 0
"""
)
"""Set a group's positions back, never forward, and take the partitions from whoever reads now; the next hold gets a new fence."""
