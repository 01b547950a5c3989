-- Expands only: the releases before know nothing of the column, leave it null and go on working.

ALTER TABLE payments ADD COLUMN reference TEXT;

CREATE INDEX payments_by_reference ON payments (reference) WHERE reference IS NOT NULL;
