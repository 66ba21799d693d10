-- Recurring campaigns, and which campaign came of which occurrence.

CREATE TABLE schedules (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  spec TEXT NOT NULL,              -- JSON, defaults filled in
  revision INTEGER NOT NULL,
  is_paused INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  done_at_ms INTEGER NOT NULL,     -- occurrences until then have been dealt with
  done_local_s INTEGER,            -- what clocks showed at the last of them
  next_at_ms INTEGER,
  queued_at_ms INTEGER,
  last_at_ms INTEGER,
  last_campaign TEXT NOT NULL,
  started INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  missed INTEGER NOT NULL,
  failed INTEGER NOT NULL
) STRICT;

-- An occurrence starts one campaign: a second one for it is refused, with its whole commit.
ALTER TABLE campaigns ADD COLUMN schedule_id TEXT NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD COLUMN occurrence_at_ms INTEGER;
CREATE UNIQUE INDEX campaigns_by_occurrence ON campaigns (schedule_id, occurrence_at_ms) WHERE schedule_id <> '';

-- What the service remembers of itself, by name.
CREATE TABLE notes (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
