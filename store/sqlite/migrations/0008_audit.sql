-- Orders that changed something. Each row's hash is SHA-256 over the hash of the row before and its own content, so that a
-- row that was changed, or is missing, shows.
CREATE TABLE audit (
  no INTEGER PRIMARY KEY,          -- 1, 2, ...
  at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL,
  role TEXT NOT NULL,
  address TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  request_id TEXT NOT NULL,
  campaign_id TEXT NOT NULL,
  was TEXT NOT NULL,
  became TEXT NOT NULL,
  hash BLOB NOT NULL
) STRICT;
