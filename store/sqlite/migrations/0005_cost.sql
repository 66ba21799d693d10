-- What campaigns cost, and what was spent of each hub's day.
ALTER TABLE campaigns ADD COLUMN calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN query_pages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN point_reads INTEGER NOT NULL DEFAULT 0;
ALTER TABLE campaigns ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;

CREATE TABLE hub_days (
  hub TEXT PRIMARY KEY,            -- its name in the settings
  day INTEGER NOT NULL,            -- since 1970, by the hub's clock; the last one only
  messages INTEGER NOT NULL        -- an estimate of what we caused
) STRICT;
