-- The time zones of a campaign's devices.
CREATE TABLE target_zones (
  key INTEGER PRIMARY KEY,         -- campaign << 32 | zone
  name TEXT NOT NULL               -- IANA
) STRICT;
ALTER TABLE targets ADD COLUMN zone_no INTEGER; -- NULL: 0
