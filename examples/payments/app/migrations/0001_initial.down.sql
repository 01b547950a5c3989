DROP TABLE settlements;
DROP TABLE outbox;
DROP TABLE idempotency_keys;
DROP TABLE refunds;
DROP TABLE payments;
