-- Payments, refunds, the answers that were given for idempotency keys, and the queue of what is to be settled.

CREATE TABLE payments (
  id              TEXT PRIMARY KEY,
  -- Not unique on purpose: a key may be forgotten some day, the payment made with it may not. Uniqueness while a key is
  -- remembered is the business of idempotency_keys.
  idempotency_key TEXT NOT NULL,
  amount          INTEGER NOT NULL CHECK (amount > 0),
  currency        TEXT NOT NULL CHECK (length(currency) = 3),
  status          TEXT NOT NULL CHECK (status IN ('authorised', 'settled', 'declined', 'refunded')),
  refunded        INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
  authorisation   TEXT,
  created_at      TEXT NOT NULL
) STRICT;

CREATE INDEX payments_by_idempotency_key ON payments (idempotency_key);
CREATE INDEX payments_by_created_at ON payments (created_at);

CREATE TABLE refunds (
  id         TEXT PRIMARY KEY,
  payment_id TEXT NOT NULL REFERENCES payments (id),
  amount     INTEGER NOT NULL CHECK (amount > 0),
  created_at TEXT NOT NULL
) STRICT;

CREATE INDEX refunds_by_payment ON refunds (payment_id);

CREATE TABLE idempotency_keys (
  key            TEXT PRIMARY KEY,
  request_digest TEXT NOT NULL,
  status         INTEGER NOT NULL,
  answer         TEXT NOT NULL,
  created_at     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  kind          TEXT NOT NULL CHECK (kind IN ('capture', 'refund')),
  subject_id    TEXT NOT NULL,
  amount        INTEGER NOT NULL CHECK (amount > 0),
  currency      TEXT NOT NULL,
  created_at    TEXT NOT NULL,
  claimed_by    TEXT,
  claimed_until INTEGER NOT NULL DEFAULT 0,
  settled_at    TEXT
) STRICT;

CREATE INDEX outbox_open ON outbox (id) WHERE settled_at IS NULL;

CREATE TABLE settlements (
  outbox_id           INTEGER PRIMARY KEY REFERENCES outbox (id),
  kind                TEXT NOT NULL,
  subject_id          TEXT NOT NULL,
  amount              INTEGER NOT NULL,
  processor_reference TEXT NOT NULL,
  settled_at          TEXT NOT NULL
) STRICT;

CREATE INDEX settlements_by_subject ON settlements (subject_id);
