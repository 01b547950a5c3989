DROP INDEX payments_by_reference;

ALTER TABLE payments DROP COLUMN reference;
