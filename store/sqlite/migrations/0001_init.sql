-- What is on record. Blobs are packed by store/pack.c; numbers of states and reasons are those of model.h; times are
-- UTC milliseconds, NULL: no such time.

-- One row: what the last commit left.
CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  revision INTEGER NOT NULL,       -- moves by one with each commit
  last_event_id INTEGER NOT NULL,
  last_campaign INTEGER NOT NULL   -- highest number ever given
) STRICT;
INSERT INTO meta VALUES (1, 0, 0, 0);

CREATE TABLE campaigns (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  state INTEGER NOT NULL,
  phase INTEGER NOT NULL,
  is_final INTEGER NOT NULL,
  state_reason TEXT NOT NULL,
  created_by TEXT NOT NULL,
  retry_of TEXT NOT NULL,          -- another campaign's id, may be empty
  created_at_ms INTEGER,
  started_at_ms INTEGER,
  finished_at_ms INTEGER,
  start_at_ms INTEGER,
  end_at_ms INTEGER,
  spec_revision INTEGER NOT NULL,
  selected INTEGER NOT NULL,
  counts BLOB NOT NULL,
  waves BLOB NOT NULL,
  hold_until_ms INTEGER,           -- no target of this campaign holds its device for longer
  dropped INTEGER NOT NULL DEFAULT 0 -- 1: hidden, its rows are to be deleted; 2: only this row is left, for its events
) STRICT;
CREATE INDEX campaigns_dropped ON campaigns (no) WHERE dropped = 1;
CREATE INDEX campaigns_live ON campaigns (no) WHERE is_final = 0;

-- Apart from their campaigns, since these are written with every commit.
CREATE TABLE specs (
  campaign INTEGER PRIMARY KEY,
  spec TEXT NOT NULL
) STRICT;

CREATE TABLE hubs (
  campaign INTEGER NOT NULL,
  hub INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (campaign, hub)
) STRICT, WITHOUT ROWID;

CREATE TABLE target_groups (
  key INTEGER PRIMARY KEY,         -- campaign << 32 | group
  name TEXT NOT NULL,
  size INTEGER NOT NULL
) STRICT;

-- What a selection has found so far.
CREATE TABLE pages (
  key INTEGER PRIMARY KEY,         -- campaign << 32 | page
  hub INTEGER NOT NULL,
  continuation TEXT,
  found BLOB NOT NULL
) STRICT;

-- Every column that an update writes has one size, so that it happens in place. No index but the key: one on device
-- ids costs more than all the rest of making a campaign (see prints).
CREATE TABLE targets (
  key INTEGER PRIMARY KEY,         -- campaign << 32 | no
  marks INTEGER NOT NULL,          -- 1 << 40 | hub << 24 | wait << 16 | reason << 8 | state: always six bytes
  device_id TEXT NOT NULL,
  life BLOB NOT NULL,
  baseline BLOB NOT NULL,
  group_no INTEGER,                -- NULL: it has none
  state INTEGER AS (marks & 255),
  reason INTEGER AS (marks >> 8 & 255),
  wait INTEGER AS (marks >> 16 & 255),
  hub INTEGER AS (marks >> 24 & 255)
) STRICT;

-- Two bytes of the fingerprint of each device id, of targets that were added one behind the other: enough to find a
-- device among a million with some fifteen looks at what is not the one.
CREATE TABLE prints (
  key INTEGER PRIMARY KEY,         -- campaign << 32 | no of the first
  prints BLOB NOT NULL
) STRICT;

CREATE TABLE attempts (
  key INTEGER PRIMARY KEY,         -- (campaign << 20 | no) << 16 | call
  attempt INTEGER NOT NULL,
  attempt_seq INTEGER NOT NULL,
  called_at_ms INTEGER,
  ended_at_ms INTEGER,
  hub_at_ms INTEGER,
  outcome TEXT NOT NULL,
  http_status INTEGER NOT NULL,
  hub_code INTEGER NOT NULL,
  method_status INTEGER NOT NULL,
  payload TEXT,
  tracking_id TEXT
) STRICT;

CREATE TABLE evidence (
  key INTEGER PRIMARY KEY,         -- (campaign << 20 | no) << 16 | sequence
  at_ms INTEGER,
  hub_at_ms INTEGER,
  source INTEGER NOT NULL,
  strength INTEGER NOT NULL,
  is_baseline INTEGER NOT NULL,
  is_late INTEGER NOT NULL,
  verdict TEXT NOT NULL,
  value TEXT,
  value_at_ms INTEGER
) STRICT;

-- Runs of events of one campaign, one behind the other.
CREATE TABLE events (
  first_id INTEGER PRIMARY KEY,
  campaign INTEGER NOT NULL,       -- 0: of none
  n INTEGER NOT NULL,
  run BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_campaign ON events (campaign, first_id);

CREATE TABLE idempotency (
  key TEXT PRIMARY KEY,
  body_hash INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  campaign_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_time ON idempotency (at_ms);

-- Lists of device ids.
CREATE TABLE lists (
  no INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  stage INTEGER NOT NULL,          -- 0: being made; 1: whole, one of a name; 2: its pages are to be deleted
  n INTEGER NOT NULL,              -- ids so far
  at_ms INTEGER,
  made_by TEXT
) STRICT;
CREATE INDEX lists_by_name ON lists (name);
CREATE INDEX lists_dropped ON lists (no) WHERE stage = 2;

CREATE TABLE list_pages (
  key INTEGER PRIMARY KEY,         -- list << 32 | how many ids are before this page
  ids BLOB NOT NULL
) STRICT;
