/** What can go wrong between a page and its server. */

/** What the server or the network refused; `code` is a stable word. */
export class ApiError extends Error {
  /** @param {string} code @param {string} message @param {{retryAfterMs?: number, field?: string[] | null, facts?: Record<string, string>, all?: any[]}} [more] */
  constructor(code, message, more = {}) {
    super(message);
    this.code = code;
    this.retryAfterMs = more.retryAfterMs ?? 0;
    this.field = more.field ?? null;
    this.facts = more.facts ?? {};
    /** @type {any[]} all user errors of the answer */
    this.all = more.all ?? [];
  }

  /** @returns {boolean} true when the same call may work later */
  get passes() {
    return ["OFFLINE", "UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"].includes(this.code);
  }
}

/** How long an answer asks to wait; 0 when it does not say. @param {Response} answer @returns {number} ms */
export function waitOf(answer) {
  return Number(answer.headers.get("retry-after")) * 1000 || 0;
}

/** The word for an HTTP status that came without one. @param {number} status @returns {string} */
export function codeOf(status) {
  const words = /** @type {Record<number, string>} */ ({ 401: "UNAUTHENTICATED", 403: "FORBIDDEN", 404: "NOT_FOUND", 408: "TIMEOUT", 429: "RATE_LIMITED" });
  return words[status] ?? (status >= 500 ? "UNAVAILABLE" : "BAD_USER_INPUT");
}
