-- How far each webhook has been told of events, and what could not be delivered to it.

CREATE TABLE webhooks (
  name TEXT PRIMARY KEY,           -- in the settings
  after_id INTEGER NOT NULL        -- all events up to it are settled
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
  webhook TEXT NOT NULL,
  event_id INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  died_at_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  error TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (webhook, event_id)
) STRICT, WITHOUT ROWID;
