/** A client of graphql-transport-ws: one socket for all subscriptions of the page, opened when needed, opened again when it breaks. */

import { accessToken, renew } from "./auth.js";

const PROTOCOL = "graphql-transport-ws";
const PING_MS = 20_000;
const LONGEST_PAUSE_MS = 15_000;

/**
 * @typedef {object} Listener
 * @property {(data: any) => void} next
 * @property {() => void} [done] the server has nothing more to tell
 * @property {(message: string, code: string) => void} [failed] the server refused; it is not asked again
 */

/** @type {Map<string, {document: string, variables: () => any, listener: Listener}>} */
const wanted = new Map();
/** @type {WebSocket | null} */
let socket = null;
let ready = false;
let opening = false;
let broken = 0;
let number = 0;

/**
 * Listen until the returned function is called. After a break the subscription is made again, so `next` may hear of a state twice;
 * where the server can go on from a place, the variables are a function that names the newest one.
 * @param {string} document @param {Record<string, any> | (() => Record<string, any>)} variables @param {Listener} listener @returns {() => void}
 */
export function subscribe(document, variables, listener) {
  const id = String(++number);
  wanted.set(id, { document, variables: typeof variables === "function" ? /** @type {() => any} */ (variables) : () => variables, listener });
  if (ready) send(id);
  else open();
  return () => {
    if (!wanted.delete(id)) return;
    if (ready) socket?.send(JSON.stringify({ id, type: "complete" }));
    closeWhenIdle();
  };
}

/** @param {string} id */
function send(id) {
  const { document, variables } = /** @type {any} */ (wanted.get(id));
  socket?.send(JSON.stringify({ id, type: "subscribe", payload: { query: document, variables: variables() } }));
}

async function open() {
  if (socket || opening || !wanted.size) return;
  opening = true;
  const token = await accessToken.get().catch(() => null);
  opening = false;
  if (token === null) {
    openLater();
    return;
  }
  const fresh = new WebSocket(`${location.origin.replace(/^http/, "ws")}/graphql`, PROTOCOL);
  socket = fresh;
  let heard = Date.now();
  const watch = setInterval(() => {
    if (Date.now() - heard > 2 * PING_MS) fresh.close();
    else if (ready) fresh.send('{"type":"ping"}');
  }, PING_MS);
  fresh.onopen = () => fresh.send(JSON.stringify({ type: "connection_init", payload: token ? { authorization: `Bearer ${token}` } : {} }));
  fresh.onmessage = (event) => {
    heard = Date.now();
    take(JSON.parse(event.data));
  };
  fresh.onclose = async (event) => {
    clearInterval(watch);
    socket = null;
    ready = false;
    // 4401 and 4403: the token was not taken.
    if (event.code === 4401 || event.code === 4403) await renew(token).catch(() => "");
    if (!wanted.size) return;
    openLater();
  };
}

function openLater() {
  const pause = Math.min(LONGEST_PAUSE_MS, 400 * 2 ** broken) * (0.7 + 0.6 * Math.random());
  broken += 1;
  setTimeout(open, pause);
}

/** @param {any} message */
function take(message) {
  const entry = wanted.get(message.id);
  switch (message.type) {
    case "connection_ack":
      ready = true;
      broken = 0;
      for (const id of wanted.keys()) send(id);
      return;
    case "ping":
      socket?.send('{"type":"pong"}');
      return;
    case "next":
      if (message.payload.data) entry?.listener.next(message.payload.data);
      else end(message.id, () => entry?.listener.failed?.(...reasonOf(message.payload.errors)));
      return;
    case "error":
      end(message.id, () => entry?.listener.failed?.(...reasonOf(message.payload)));
      return;
    case "complete":
      end(message.id, () => entry?.listener.done?.());
  }
}

/** @param {any[] | undefined} errors @returns {[string, string]} */
function reasonOf(errors) {
  return [errors?.[0]?.message ?? "", errors?.[0]?.extensions?.code ?? ""];
}

/** @param {string} id @param {() => void} tell */
function end(id, tell) {
  wanted.delete(id);
  tell();
  closeWhenIdle();
}

function closeWhenIdle() {
  setTimeout(() => {
    if (!wanted.size) socket?.close(1000);
  }, 2000);
}

addEventListener("online", open);
