-- Posts the lines of a file in turn and ends with one line of JSON:
-- wrk -t1 -c32 -d30s --timeout=300s -s bodies.lua URL -- bodies.jsonl
local bodies, position = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do bodies[#bodies + 1] = line end
end

function request()
  position = position % #bodies + 1
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, bodies[position])
end

function done(summary, latency)
  local failed = summary.errors
  local refused = failed.status -- answered, but with 400 or above
  io.write(string.format(
    '{"requests": %d, "errors": %d, "seconds": %.6f, "p50_ms": %.3f, "p95_ms": %.3f}\n',
    summary.requests - refused,
    refused + failed.connect + failed.read + failed.write + failed.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3
  ))
end
