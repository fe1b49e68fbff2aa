/**
 * Sign-in: OAuth 2 authorization code with PKCE (RFC 7636). The access token lives in this page's memory; the refresh token in the
 * vault, rotated by one tab at a time, before the access token ends.
 */

import { ApiError, waitOf } from "./errors.js";
import { base64url, randomBytes } from "./random.js";
import { read, remove, write } from "./vault.js";

const CLIENT = "clipmesh-web";
const REFRESH = "refresh";
/** Stands in localStorage while somebody is signed in, so that a page of a stranger need not open the vault. */
const SIGNED_IN = "clipmesh.signed-in";
const JOURNEY = "clipmesh.sign-in";
/** Renew this long before the end, so that no call travels with a token that dies on its way. */
const EARLY_MS = 60_000;
const FORM_MS = 15_000;
/** The server takes a spent refresh token once more within ten seconds: two attempts of this length fit into them. */
const ROTATE_MS = 4000;

/** @type {{token: string, endsAt: number} | null} */
let access = null;
/** @type {Promise<string> | null} */
let renewing = null;

export const accessToken = {
  /** The token if there is one that lives; "" otherwise. Never waits. @returns {string} */
  now: () => (access && access.endsAt > Date.now() ? access.token : ""),
  /** A token that lives for a while; "" when nobody is signed in. @returns {Promise<string>} throws ApiError when that cannot be known */
  get: async () => {
    if (access && access.endsAt - EARLY_MS > Date.now()) return access.token;
    if (!hasSession()) return "";
    return renew().catch((error) => {
      // The old one is good for its last minute.
      if (accessToken.now()) return accessToken.now();
      throw error;
    });
  },
};

/** @returns {boolean} whether somebody was signed in here and has not signed out */
export function hasSession() {
  return localStorage.getItem(SIGNED_IN) !== null;
}

/** Forget the sign-in of this browser; pages listen for "clipmesh:signed-out". */
export async function forget() {
  localStorage.removeItem(SIGNED_IN);
  access = null;
  dispatchEvent(new Event("clipmesh:signed-out"));
  await remove(REFRESH);
}

/**
 * A new pair of tokens. Tabs take turns: each reads the refresh token only inside the lock, so none uses one that another has spent.
 * @param {string} [refused] an access token that the server did not take: renew even though it seems to live
 * @returns {Promise<string>} the access token, "" when the session is over; throws ApiError
 */
export function renew(refused = "") {
  if (refused && access && access.token !== refused) return Promise.resolve(access.token);
  renewing ??= locked(rotate).finally(() => {
    renewing = null;
  });
  return renewing;
}

/** @param {() => Promise<string>} work @returns {Promise<string>} */
function locked(work) {
  return navigator.locks ? navigator.locks.request("clipmesh.refresh", work) : work();
}

/** @returns {Promise<string>} */
async function rotate() {
  const refresh = await read(REFRESH);
  if (!refresh) {
    await forget();
    return "";
  }
  let answer = await exchange(refresh);
  // The token may be spent although no answer, or a bad one, came: asked again at once, the server still knows it.
  if (!answer || answer.status >= 500) answer = await exchange(refresh);
  if (!answer) throw new ApiError("OFFLINE", "the server cannot be reached");
  if (answer.status === 200) return keep(answer.body);
  // Everything else says something about the server, or about this page, and nothing about the session.
  if (answer.body.error !== "invalid_grant") {
    throw new ApiError(answer.status === 429 ? "RATE_LIMITED" : "UNAVAILABLE", `status ${answer.status}`, { retryAfterMs: answer.retryAfterMs });
  }
  await forget();
  return "";
}

/** @param {string} refresh @returns {Promise<{status: number, body: any, retryAfterMs: number} | null>} null when no answer came */
async function exchange(refresh) {
  try {
    const answer = await postForm("/oauth/token", { grant_type: "refresh_token", refresh_token: refresh, client_id: CLIENT }, ROTATE_MS);
    const text = await answer.text();
    return { status: answer.status, body: answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : {}, retryAfterMs: waitOf(answer) };
  } catch {
    return null;
  }
}

/** @param {{access_token: string, refresh_token: string, expires_in: number}} tokens @returns {Promise<string>} */
async function keep(tokens) {
  await write(REFRESH, tokens.refresh_token);
  localStorage.setItem(SIGNED_IN, "yes");
  access = { token: tokens.access_token, endsAt: Date.now() + tokens.expires_in * 1000 };
  return tokens.access_token;
}

/** Go to the sign-in form; come back to `returnTo`. @param {string} [returnTo] */
export async function signIn(returnTo = location.pathname + location.search) {
  location.assign(`/oauth/authorize?${new URLSearchParams(await begin(returnTo))}`);
}

/**
 * Sign in with a password that the person has just typed on this page.
 * @param {string} login @param {string} password @returns {Promise<boolean>} false when it was not taken
 */
export async function signInWith(login, password) {
  const answer = await postForm("/oauth/authorize", { ...(await begin("/")), login, password });
  const landed = new URL(answer.url);
  return landed.pathname === "/callback" && (await finish(landed.searchParams)) !== null;
}

/** @param {string} returnTo @returns {Promise<Record<string, string>>} the parameters of an authorization request */
async function begin(returnTo) {
  if (!crypto.subtle) throw new Error("sign-in needs https, or localhost");
  const verifier = base64url(randomBytes(48));
  const state = base64url(randomBytes(12));
  sessionStorage.setItem(JOURNEY, JSON.stringify({ verifier, state, returnTo }));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  return {
    response_type: "code",
    client_id: CLIENT,
    redirect_uri: `${location.origin}/callback`,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: "S256",
    state,
  };
}

/**
 * Exchange the code that came back.
 * @param {URLSearchParams} parameters of /callback @returns {Promise<string | null>} the path to go on to; null when this is no journey of ours
 */
export async function finish(parameters) {
  const journey = JSON.parse(sessionStorage.getItem(JOURNEY) ?? "null");
  sessionStorage.removeItem(JOURNEY);
  const code = parameters.get("code");
  if (!journey || !code || parameters.get("state") !== journey.state) return null;
  const answer = await postForm("/oauth/token", {
    grant_type: "authorization_code",
    code,
    code_verifier: journey.verifier,
    client_id: CLIENT,
    redirect_uri: `${location.origin}/callback`,
  });
  if (!answer.ok) return null;
  await keep(await answer.json());
  // Only paths of our own: two slashes would name another host.
  return /^\/(?![/\\])/.test(journey.returnTo) ? journey.returnTo : "/";
}

/** End the session here and on the server. */
export async function signOut() {
  const token = await read(REFRESH);
  await forget();
  if (token) await postForm("/oauth/revoke", { token, client_id: CLIENT }).catch(() => null);
}

/** @param {string} path @param {Record<string, string>} fields @param {number} [withinMs] @returns {Promise<Response>} */
function postForm(path, fields, withinMs = FORM_MS) {
  return fetch(path, { method: "POST", body: new URLSearchParams(fields), signal: AbortSignal.timeout(withinMs) });
}
