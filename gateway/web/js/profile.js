/** The page of a person: who they are, what stands between them and the viewer, their clips; one's own with lists that nobody else sees. */

import { ask, gql } from "./api.js";
import { byId, h, toast } from "./dom.js";
import { Keeps } from "./keeps.js";
import { PersonHead } from "./personhead.js";
import { bondOf } from "./people.js";
import { followRequests } from "./roster.js";
import { sentenceOf } from "./sentences.js";
import { startShell } from "./shell.js";
import { clipsOf, liked, repostsOf } from "./tiles.js";

const PROFILE = gql`query Profile($handle: String!) { user(handle: $handle) {
  id handle displayName avatar { url(size: 512) } bio verified isPrivate followerCount followingCount relationship { follow followedBy blocks mutes } } }`;

/** @returns {string} the handle of the address; "" when there is none */
function handleOfPath() {
  try {
    return decodeURIComponent(location.pathname).replace(/^\/@/, "");
  } catch {
    return "";
  }
}

/** @type {[string, string, () => {element: HTMLElement, open: () => Promise<void>}][]} name, label, what it shows */
let tabs = [];

/** @param {string} name */
function show(name) {
  const at = tabs.find((tab) => tab[0] === name) ?? tabs[0];
  byId("tabs").replaceChildren(...tabs.map(([one, label]) =>
    h("button", { type: "button", class: one === at[0] ? "button small primary" : "button small", "aria-pressed": String(one === at[0]), onclick: () => choose(one) }, label)));
  const { element, open } = at[2]();
  byId("shelf").replaceChildren(element);
  open().catch((error) => toast(sentenceOf(error), true));
}

/** @param {string} name */
function choose(name) {
  history.replaceState(null, "", name === tabs[0][0] ? location.pathname : `#${name}`);
  show(name);
  /** @type {HTMLElement} */ (byId("tabs").querySelector("[aria-pressed=true]")).focus();
}

/** @param {import("./roll.js").Roll} roll */
function rolled(roll) {
  return { element: roll.element, open: () => roll.next() };
}

/** @param {any} person @param {boolean} own */
function openShelves(person, own) {
  const who = own ? "You have" : "Has";
  tabs = [
    ["clips", "Clips", () => rolled(clipsOf(person.id, `${who} published nothing so far.`))],
    ["reposts", "Reposts", () => rolled(repostsOf(person.id, `${who} reposted nothing so far.`))],
  ];
  if (own) {
    tabs.push(["liked", "Liked", () => rolled(liked())]);
    tabs.push(["saved", "Saved", () => {
      const keeps = new Keeps();
      return { element: keeps.element, open: () => keeps.open() };
    }]);
  }
  byId("shelves").hidden = false;
  show(location.hash.slice(1));
}

/** @param {any} person @param {boolean} own whether the viewer may look at what the person has */
function openOrClosed(person, own) {
  const bond = bondOf(person);
  const blocked = bond.blocking.wanted;
  const locked = !own && person.isPrivate && bond.state.follow !== "FOLLOWING";
  byId("closed").hidden = !blocked && !locked;
  byId("closed-title").textContent = blocked ? `You block @${person.handle}` : "This account is private";
  byId("closed-sentence").textContent = blocked ? "Neither of you sees what the other does." : "Follow it to see its clips.";
  if (blocked || locked) {
    byId("shelves").hidden = true;
    byId("shelf").replaceChildren();
  } else if (byId("shelves").hidden) {
    openShelves(person, own);
  }
}

function openRequests() {
  let count = 0;
  const roll = followRequests((more) => {
    count += more;
    byId("requests").hidden = count === 0;
  });
  byId("requests").append(roll.element);
  roll.next();
}

/** @param {any} account the viewer; null for strangers */
async function open(account) {
  const { user: person } = await ask(PROFILE, { handle: handleOfPath() }).catch((error) => {
    // A handle that cannot be one belongs to nobody.
    if (["BAD_USER_INPUT", "NOT_FOUND"].includes(error.code)) return { user: null };
    throw error;
  });
  byId("waiting").hidden = true;
  byId("nobody").hidden = person !== null;
  if (!person) return;
  const own = account?.user.id === person.id;
  document.title = `@${person.handle} · Clipmesh`;
  const head = new PersonHead(person, own);
  byId("person").append(...head.elements);
  byId("person").hidden = false;
  bondOf(person).listeners.add(() => openOrClosed(person, own));
  openOrClosed(person, own);
  if (own) openRequests();
}

/** @param {any} error */
function failed(error) {
  byId("waiting").hidden = true;
  byId("nobody").hidden = false;
  byId("nobody").replaceChildren(h("h1", {}, "That did not come"), h("p", {}, sentenceOf(error)), h("button", { type: "button", class: "button primary", onclick: () => location.reload() }, "Try again"));
}

open(await startShell()).catch(failed);
