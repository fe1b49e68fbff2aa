/** The one way to the GraphQL endpoint: adds the sign-in, renews it once, and turns what went wrong into ApiError. */

import { accessToken, forget, renew } from "./auth.js";
import { ApiError, codeOf, waitOf } from "./errors.js";
import { noteServerTime } from "./servertime.js";

/** Marks GraphQL documents, so that a test finds each of them. @param {TemplateStringsArray} text @returns {string} */
export function gql(text) {
  return text[0].replace(/\s+/g, " ").trim();
}

const CALL_MS = 15_000;

/**
 * Run a query or mutation and give its data. Fields that are null because a service is away stay null.
 * @param {string} document @param {Record<string, any>} [variables] @param {{keepalive?: boolean}} [options]
 * @returns {Promise<any>} throws ApiError
 */
export async function ask(document, variables = {}, options = {}) {
  const token = options.keepalive ? accessToken.now() : await accessToken.get();
  try {
    return await post(document, variables, token, options);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "UNAUTHENTICATED" || !token || options.keepalive) throw error;
    const fresh = await renew(token);
    if (!fresh) {
      await forget();
      throw error;
    }
    return post(document, variables, fresh, options);
  }
}

/**
 * Run a mutation whose payload has `userErrors`, and give the payload.
 * @param {string} document @param {Record<string, any>} input @param {{keepalive?: boolean}} [options] @returns {Promise<any>} throws ApiError for the first user error
 */
export async function act(document, input, options = {}) {
  const [payload] = Object.values(await ask(document, { input }, options));
  const errors = payload.userErrors;
  if (errors.length) {
    const facts = Object.fromEntries((errors[0].details ?? []).map((/** @type {any} */ detail) => [detail.name, detail.value]));
    throw new ApiError(errors[0].code, errors[0].message, { field: errors[0].field, facts, all: errors });
  }
  return payload;
}

/** @param {string} document @param {Record<string, any>} variables @param {string} token @param {{keepalive?: boolean}} options */
async function post(document, variables, token, options) {
  /** @type {Record<string, string>} */
  const headers = { "content-type": "application/json", accept: "application/graphql-response+json, application/json;q=0.9" };
  // The level that a clip starts with is chosen by the line; browsers send this hint by themselves only where it was asked for.
  const line = /** @type {any} */ (navigator).connection?.effectiveType;
  if (line) headers.ect = line;
  let answer, body;
  try {
    answer = await fetch("/graphql", {
      method: "POST",
      headers: token ? { ...headers, authorization: `Bearer ${token}` } : headers,
      body: JSON.stringify({ query: document, variables, operationName: /(?:query|mutation) (\w+)/.exec(document)?.[1] }),
      keepalive: options.keepalive ?? false,
      // A page that goes away cannot keep a timer for its last words.
      signal: options.keepalive ? undefined : AbortSignal.timeout(CALL_MS),
    });
    noteServerTime(answer);
    body = await answer.json();
  } catch (error) {
    if (/** @type {any} */ (error)?.name === "TimeoutError") throw new ApiError("TIMEOUT", "the answer took too long");
    if (answer && !answer.ok) throw new ApiError(codeOf(answer.status), `status ${answer.status}`, { retryAfterMs: waitOf(answer) });
    throw new ApiError("OFFLINE", "the server cannot be reached");
  }
  if (body.data && Object.values(body.data).some((value) => value !== null)) return body.data;
  if (body.errors?.length) {
    const { message, extensions = {} } = body.errors[0];
    throw new ApiError(extensions.code ?? codeOf(answer.status), message, { retryAfterMs: extensions.retryAfterMs ?? waitOf(answer) });
  }
  if (!answer.ok) throw new ApiError(body.code ?? codeOf(answer.status), body.detail ?? `status ${answer.status}`, { retryAfterMs: waitOf(answer) });
  return body.data;
}
