-- SPDX-License-Identifier: MIT
-- wrk -s requests.lua URL -- FILE: one request a line of FILE, in turn: "GET <path>" or
-- "POST <path> <media type> <body>". Prints one JSON object at the end.
local list, at = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local method, path, rest = line:match("^(%u+) (%S+) ?(.*)$")
    if method == "POST" then
      local media, body = rest:match("^(%S+) (.*)$")
      list[#list + 1] = wrk.format("POST", path, {["Content-Type"] = media}, body)
    else
      list[#list + 1] = wrk.format("GET", path)
    end
  end
  math.randomseed(tonumber(tostring({}):match("0x(%x+)"), 16))
  at = math.random(#list)
end

function request()
  at = at % #list + 1
  return list[at]
end

function done(summary, latency, _)
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "bad": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, summary.errors.status + summary.errors.timeout +
    summary.errors.connect + summary.errors.read + summary.errors.write))
end
