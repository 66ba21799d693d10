-- A group is of one hub: the same tag value on two hubs of a campaign is two groups. Until now a campaign had one hub.
ALTER TABLE target_groups ADD COLUMN hub INTEGER NOT NULL DEFAULT 0; -- index into the campaign's hubs
