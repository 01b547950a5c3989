const REFERENCE = /^[A-Za-z0-9._-]{1,40}$/;

/** Merchants may give a payment a reference of their own, such as an order number, and see it in every answer. */
export const paymentReferences = {
  name: "payment-references",
  requires: { payments: ["reference"] },
  fields: {
    reference: (value) =>
      typeof value === "string" && REFERENCE.test(value)
        ? undefined
        : "must be 1 to 40 letters, digits, dots, dashes or underscores",
  },
  onCreate(connection, payment, body) {
    if (body.reference === undefined) return;
    connection.run("UPDATE payments SET reference = ? WHERE id = ?", body.reference, payment.id);
  },
  present(connection, payment) {
    const row = connection.get("SELECT reference FROM payments WHERE id = ?", payment.id);
    return { reference: row?.reference ?? null };
  },
};
