-- wrk script: send the file named by the environment variable BENCH_BODY, or none, with the method of BENCH_METHOD;
-- afterwards print one line, "samples", and one JSON document with the counts, the errors, and the histogram in
-- microseconds.

wrk.method = os.getenv("BENCH_METHOD") or "GET"
local path = os.getenv("BENCH_BODY")
if path and path ~= "" then
  local file = assert(io.open(path, "rb"))
  wrk.body = file:read("*a")
  wrk.headers["Content-Type"] = "application/json"
  file:close()
end

function done(summary, latency, requests)
  local parts = {}
  for index = 1, #latency do
    local value, count = latency(index)
    parts[index] = string.format("[%d,%d]", value, count)
  end
  local errors = summary.errors
  io.write(string.format(
    '\nsamples {"requests":%d,"microseconds":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,"histogram":[%s]}\n',
    summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.status, errors.timeout,
    table.concat(parts, ",")))
end
