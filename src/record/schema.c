#include "record/schema.h"

#include "record/record.h"

const char *const schema_ddl[] = {
    "CREATE TABLE meta (\n"
    "  key TEXT PRIMARY KEY,\n"
    "  value TEXT NOT NULL\n"
    ") STRICT, WITHOUT ROWID;\n",

    "CREATE TABLE run (            -- one row for each load point\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  kind TEXT NOT NULL,\n"
    "  parent INTEGER NOT NULL,    -- id of the first run of a series; 0: none\n"
    "  ordinal INTEGER NOT NULL,   -- place in the series, from 1\n"
    "  started_real_ns INTEGER NOT NULL, -- ns since 1970 of time 0\n"
    "  target TEXT NOT NULL,\n"
    "  backend TEXT NOT NULL,\n"
    "  engine TEXT NOT NULL,\n"
    "  engine_version TEXT NOT NULL,\n"
    "  model TEXT NOT NULL,\n"
    "  command TEXT NOT NULL,\n"
    "  seed INTEGER NOT NULL,      -- unsigned 64 bits, shown signed\n"
    "  mode TEXT NOT NULL,         -- open, closed, offline\n"
    "  request_rate REAL,          -- per s; Inf: offline, 0: closed\n"
    "  burstiness REAL,\n"
    "  ramp TEXT NOT NULL,\n"
    "  ramp_start REAL,\n"
    "  ramp_end REAL,\n"
    "  max_concurrency INTEGER NOT NULL, -- 0: none\n"
    "  on_cap TEXT NOT NULL,\n"
    "  num_prompts INTEGER NOT NULL,     -- 0: none\n"
    "  duration_ns INTEGER,        -- 0: none\n"
    "  timeout_ns INTEGER,\n"
    "  warmup_requests INTEGER NOT NULL,\n"
    "  threads INTEGER NOT NULL,\n"
    "  workload TEXT NOT NULL,\n"
    "  workload_json TEXT NOT NULL,\n"
    "  synthetic INTEGER NOT NULL,\n"
    "  streaming INTEGER NOT NULL,\n"
    "  fixed_output INTEGER NOT NULL,\n"
    "  prefix_len INTEGER NOT NULL,\n"
    "  lengths_estimated INTEGER NOT NULL,\n"
    "  goodput TEXT NOT NULL,\n"
    "  slo TEXT NOT NULL,\n"
    "  options_json TEXT NOT NULL,\n"
    "  host_json TEXT NOT NULL,\n"
    "  context_json TEXT NOT NULL,\n"
    "  finished INTEGER NOT NULL,  -- 0: the program was killed, and what follows is NULL\n"
    "  interrupted INTEGER,\n"
    "  offered_end_ns INTEGER,\n"
    "  drained_ns INTEGER,\n"
    "  body_underruns INTEGER,\n"
    "  clock_steps INTEGER,\n"
    "  steal_fraction REAL,\n"
    "  cpu_user_ns INTEGER,\n"
    "  cpu_system_ns INTEGER,\n"
    "  spin_ns INTEGER,\n"
    "  token_events INTEGER,\n"
    "  exchanges INTEGER,\n"
    "  peak_in_flight INTEGER\n"
    ") STRICT;\n",

    "CREATE TABLE request (        -- times: ns from the start of the run, NULL: did not happen\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  run_id INTEGER NOT NULL REFERENCES run(id),\n"
    "  phase INTEGER NOT NULL,     -- 0 warmup, 1 measure, 2 tail\n"
    "  idx INTEGER NOT NULL,\n"
    "  session INTEGER NOT NULL,\n"
    "  rung INTEGER,\n"
    "  thread INTEGER NOT NULL,\n"
    "  intended_ns INTEGER,\n"
    "  started_ns INTEGER,\n"
    "  sent_ns INTEGER,\n"
    "  first_byte_ns INTEGER,\n"
    "  first_token_ns INTEGER,\n"
    "  first_answer_ns INTEGER,\n"
    "  last_token_ns INTEGER,\n"
    "  end_ns INTEGER,\n"
    "  dns_ns INTEGER,             -- durations; NULL: no connection was opened\n"
    "  connect_ns INTEGER,\n"
    "  tls_ns INTEGER,\n"
    "  outcome TEXT NOT NULL,\n"
    "  http_status INTEGER NOT NULL,\n"
    "  error TEXT NOT NULL,\n"
    "  finish_reason TEXT NOT NULL,\n"
    "  prompt_tokens INTEGER,      -- NULL: unknown\n"
    "  output_tokens INTEGER,\n"
    "  cached_tokens INTEGER,\n"
    "  reasoning_tokens INTEGER,\n"
    "  output_source TEXT NOT NULL,\n"
    "  asked_input INTEGER NOT NULL,\n"
    "  asked_output INTEGER NOT NULL,\n"
    "  received_bytes INTEGER NOT NULL,\n"
    "  sent_bytes INTEGER NOT NULL,\n"
    "  events INTEGER NOT NULL,\n"
    "  censored INTEGER NOT NULL,\n"
    "  censored_ours INTEGER NOT NULL,\n"
    "  unstamped INTEGER NOT NULL,\n"
    "  resends INTEGER NOT NULL,\n"
    "  reused INTEGER NOT NULL,\n"
    "  repeated INTEGER NOT NULL,\n"
    "  rtt_us INTEGER NOT NULL,\n"
    "  min_rtt_us INTEGER NOT NULL,\n"
    "  retransmits INTEGER NOT NULL,\n"
    "  output_hash INTEGER NOT NULL, -- unsigned 64 bits, shown signed\n"
    "  output_bytes INTEGER NOT NULL,\n"
    "  output TEXT NOT NULL,\n"
    "  UNIQUE (run_id, phase, idx)\n"
    ") STRICT;\n",

    "CREATE TABLE token_gaps (\n"
    "  request_id INTEGER PRIMARY KEY REFERENCES request(id),\n"
    "  gaps BLOB NOT NULL          -- bytes: docs/run-file.md\n"
    ") STRICT;\n",

    "CREATE TABLE second (         -- the instrument itself: one driver thread's second\n"
    "  run_id INTEGER NOT NULL REFERENCES run(id),\n"
    "  second INTEGER NOT NULL,\n"
    "  thread INTEGER NOT NULL,\n"
    "  busy_ns INTEGER NOT NULL,\n"
    "  spin_ns INTEGER NOT NULL,\n"
    "  wait_ns INTEGER NOT NULL,\n"
    "  reads INTEGER NOT NULL,\n"
    "  full_reads INTEGER NOT NULL,\n"
    "  stamped_reads INTEGER NOT NULL,\n"
    "  events INTEGER NOT NULL,\n"
    "  read_lag BLOB NOT NULL,\n"
    "  schedule_lag BLOB NOT NULL\n"
    ") STRICT;\n",
    "CREATE INDEX second_order ON second (run_id, second, thread);\n",

    "CREATE TABLE sample (         -- one metric of the server at one moment\n"
    "  run_id INTEGER NOT NULL REFERENCES run(id),\n"
    "  at_ns INTEGER,\n"
    "  source TEXT NOT NULL,\n"
    "  name TEXT NOT NULL,\n"
    "  labels TEXT NOT NULL,\n"
    "  value REAL                  -- NULL: not a number\n"
    ") STRICT;\n",
    "CREATE INDEX sample_order ON sample (run_id);\n",

    "CREATE TABLE finding (\n"
    "  run_id INTEGER NOT NULL REFERENCES run(id),\n"
    "  id TEXT NOT NULL,\n"
    "  severity TEXT NOT NULL,\n"
    "  text TEXT NOT NULL\n"
    ") STRICT;\n",
    "CREATE INDEX finding_order ON finding (run_id);\n",

    "CREATE VIEW request_ms AS     -- latencies in ms; NULL unless the request was a success\n"
    "SELECT run_id, phase, idx, outcome, output_tokens,\n"
    "  (started_ns - intended_ns) / 1e6 AS schedule_lag_ms,\n"
    "  (ifnull(dns_ns, 0) + connect_ns + ifnull(tls_ns, 0)) / 1e6 AS connect_ms,\n"
    "  iif(outcome = 'ok', (first_token_ns - intended_ns) / 1e6, NULL) AS ttft_ms,\n"
    "  iif(outcome = 'ok', (first_token_ns - sent_ns) / 1e6, NULL) AS ttft_service_ms,\n"
    "  iif(outcome = 'ok', (first_answer_ns - intended_ns) / 1e6, NULL) AS ttfa_ms,\n"
    "  iif(outcome = 'ok' AND output_tokens > 1,\n"
    "      (last_token_ns - first_token_ns) / 1e6 / (output_tokens - 1), NULL) AS tpot_ms,\n"
    "  iif(outcome = 'ok', (last_token_ns - intended_ns) / 1e6, NULL) AS e2e_ms\n"
    "FROM request;\n",
    NULL,
};

const char *const schema_tables[] = {"meta",   "run",    "request", "token_gaps",
                                     "second", "sample", "finding", NULL};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* A column named as the field it holds. */
#define FIELD(kind, name)                                                                          \
    {                                                                                              \
#name, COLUMN_##kind, offsetof(struct RECORD, name)                                        \
    }

#define RECORD run_record
static const struct column run_columns[] = {
    FIELD(TEXT, kind),
    FIELD(I64, parent),
    FIELD(I64, ordinal),
    FIELD(I64, started_real_ns),
    FIELD(TEXT, target),
    FIELD(TEXT, backend),
    FIELD(TEXT, engine),
    FIELD(TEXT, engine_version),
    FIELD(TEXT, model),
    FIELD(TEXT, command),
    FIELD(U64, seed),
    FIELD(TEXT, mode),
    FIELD(REAL, request_rate),
    FIELD(REAL, burstiness),
    FIELD(TEXT, ramp),
    FIELD(REAL, ramp_start),
    FIELD(REAL, ramp_end),
    FIELD(I64, max_concurrency),
    FIELD(TEXT, on_cap),
    FIELD(I64, num_prompts),
    FIELD(TIME, duration_ns),
    FIELD(TIME, timeout_ns),
    FIELD(I64, warmup_requests),
    FIELD(I64, threads),
    FIELD(TEXT, workload),
    FIELD(TEXT, workload_json),
    FIELD(BOOL, synthetic),
    FIELD(BOOL, streaming),
    FIELD(BOOL, fixed_output),
    FIELD(I64, prefix_len),
    FIELD(BOOL, lengths_estimated),
    FIELD(TEXT, goodput),
    FIELD(TEXT, slo),
    FIELD(TEXT, options_json),
    FIELD(TEXT, host_json),
    FIELD(TEXT, context_json),
};

static const struct column run_end_columns[] = {
    FIELD(BOOL, interrupted),   FIELD(TIME, offered_end_ns), FIELD(TIME, drained_ns),
    FIELD(U64, body_underruns), FIELD(U32, clock_steps),     FIELD(SHARE, steal_fraction),
    FIELD(U64, cpu_user_ns),    FIELD(U64, cpu_system_ns),   FIELD(U64, spin_ns),
    FIELD(U64, token_events),   FIELD(U64, exchanges),       FIELD(U64, peak_in_flight),
};
#undef RECORD

#define RECORD request_record
static const struct column request_columns[] = {
    FIELD(PHASE, phase),
    {"idx", COLUMN_INDEX, offsetof(struct request_record, index)}, /* INDEX is a word of SQL */
    FIELD(U64, session),
    FIELD(RUNG, rung),
    FIELD(U32, thread),
    FIELD(TIME, intended_ns),
    FIELD(TIME, started_ns),
    FIELD(TIME, sent_ns),
    FIELD(TIME, first_byte_ns),
    FIELD(TIME, first_token_ns),
    FIELD(TIME, first_answer_ns),
    FIELD(TIME, last_token_ns),
    FIELD(TIME, end_ns),
    FIELD(TIME, dns_ns),
    FIELD(TIME, connect_ns),
    FIELD(TIME, tls_ns),
    FIELD(OUTCOME, outcome),
    FIELD(INT, http_status),
    FIELD(SLICE, error),
    FIELD(SLICE, finish_reason),
    FIELD(COUNT, prompt_tokens),
    FIELD(COUNT, output_tokens),
    FIELD(COUNT, cached_tokens),
    FIELD(COUNT, reasoning_tokens),
    FIELD(SOURCE, output_source),
    FIELD(COUNT, asked_input),
    FIELD(COUNT, asked_output),
    FIELD(U64, received_bytes),
    FIELD(U64, sent_bytes),
    FIELD(U32, events),
    FIELD(U32, censored),
    FIELD(U32, censored_ours),
    FIELD(U32, unstamped),
    FIELD(U32, resends),
    FIELD(BOOL, reused),
    FIELD(BOOL, repeated),
    FIELD(U32, rtt_us),
    FIELD(U32, min_rtt_us),
    FIELD(U32, retransmits),
    FIELD(U64, output_hash),
    FIELD(U64, output_bytes),
    FIELD(SLICE, output),
};
#undef RECORD

#define RECORD second_record
static const struct column second_columns[] = {
    FIELD(I64, second),     FIELD(U32, thread),        FIELD(TIME, busy_ns),
    FIELD(TIME, spin_ns),   FIELD(TIME, wait_ns),      FIELD(U64, reads),
    FIELD(U64, full_reads), FIELD(U64, stamped_reads), FIELD(U64, events),
    FIELD(BLOB, read_lag),  FIELD(BLOB, schedule_lag),
};
#undef RECORD

#define RECORD sample_record
static const struct column sample_columns[] = {
    FIELD(TIME, at_ns),  FIELD(TEXT, source), FIELD(TEXT, name),
    FIELD(TEXT, labels), FIELD(REAL, value),
};
#undef RECORD

#define RECORD finding_record
static const struct column finding_columns[] = {
    FIELD(TEXT, id),
    FIELD(TEXT, severity),
    FIELD(TEXT, text),
};
#undef RECORD

#define SET(table, columns)                                                                        \
    {                                                                                              \
        table, columns, COUNT_OF(columns)                                                          \
    }

const struct column_set schema_run = SET("run", run_columns);
const struct column_set schema_run_end = SET("run", run_end_columns);
const struct column_set schema_request = SET("request", request_columns);
const struct column_set schema_second = SET("second", second_columns);
const struct column_set schema_sample = SET("sample", sample_columns);
const struct column_set schema_finding = SET("finding", finding_columns);
