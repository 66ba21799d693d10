-- The watches over proven targets (verify.relapseWatchSeconds), and who relapsed.
CREATE TABLE relapses (
  key INTEGER PRIMARY KEY,         -- campaign << 32 | no
  from_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  after BLOB NOT NULL,             -- a packed baseline: what the twin said when the device had settled
  relapse INTEGER NOT NULL,
  relapsed_at_ms INTEGER,
  is_over INTEGER NOT NULL
) STRICT;
