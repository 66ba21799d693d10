-- How a campaign went: its counts over time, and what was foretold at its start.

-- The last commit of each slot of time; few rows a campaign, since the slots grow (store/store.h).
CREATE TABLE progress (
  key INTEGER PRIMARY KEY,         -- campaign << 32 | seconds from when it was made to the slot
  at_ms INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  states BLOB NOT NULL
) STRICT;

CREATE TABLE plans (
  campaign INTEGER PRIMARY KEY,
  plan TEXT NOT NULL,              -- JSON
  ends BLOB NOT NULL               -- when all targets of each wave were final
) STRICT;
