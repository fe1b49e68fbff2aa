/** Lists of people: followers and followed, who asks to follow, who is blocked or muted. */

import { ask, gql } from "./api.js";
import { dialog, dialogHead } from "./dialogs.js";
import { face, h } from "./dom.js";
import { bondOf, followButton } from "./people.js";
import { Roll } from "./roll.js";

const PAGE = 20;

const FOLLOWERS = gql`query Followers($id: ID!, $first: Int!, $after: String) { user(id: $id) { followers(first: $first, after: $after) {
  edges { userId node { id handle displayName avatar { url(size: 128) } isPrivate relationship { follow followedBy blocks mutes } } } pageInfo { hasNextPage endCursor } } } }`;
const FOLLOWING = gql`query Following($id: ID!, $first: Int!, $after: String) { user(id: $id) { following(first: $first, after: $after) {
  edges { userId node { id handle displayName avatar { url(size: 128) } isPrivate relationship { follow followedBy blocks mutes } } } pageInfo { hasNextPage endCursor } } } }`;
const REQUESTS = gql`query FollowRequests($first: Int!, $after: String) { followRequests(first: $first, after: $after) {
  edges { userId node { id handle displayName avatar { url(size: 128) } isPrivate relationship { follow followedBy blocks mutes } } } pageInfo { hasNextPage endCursor } } }`;
const BLOCKED = gql`query BlockedUsers($first: Int!, $after: String) { blockedUsers(first: $first, after: $after) {
  edges { userId node { id handle displayName avatar { url(size: 128) } isPrivate relationship { follow followedBy blocks mutes } } } pageInfo { hasNextPage endCursor } } }`;
const MUTED = gql`query MutedUsers($first: Int!, $after: String) { mutedUsers(first: $first, after: $after) {
  edges { userId node { id handle displayName avatar { url(size: 128) } isPrivate relationship { follow followedBy blocks mutes } } } pageInfo { hasNextPage endCursor } } }`;

/** @param {any} person @param {...any} acts @returns {HTMLElement} */
function row(person, ...acts) {
  return h("li", { class: "person", "data-user": person.id },
    h("a", { href: `/@${encodeURIComponent(person.handle)}` }, face(person),
      h("span", { class: "names" }, h("bdi", { class: "shown-name" }, person.displayName), h("span", { class: "quiet" }, `@${person.handle}`))),
    h("div", { class: "row" }, ...acts));
}

/** @param {(after: string | null) => Promise<any>} load @param {(person: any, left: () => void) => HTMLElement} draw @param {string} none @returns {Roll} */
function roster(load, draw, none) {
  /** @type {Roll} */
  const roll = new Roll({ load, draw: ({ node }) => node && draw(node, () => roll.left()), list: h("ul", { class: "people" }), none });
  return roll;
}

/** @param {any} person @param {"followers" | "following"} which @param {boolean} own whether it is the viewer's list */
export function openFollows(person, which, own) {
  const document = which === "followers" ? FOLLOWERS : FOLLOWING;
  const load = async (/** @type {string | null} */ after) => (await ask(document, { id: person.id, first: PAGE, after })).user?.[which];
  const draw = (/** @type {any} */ one, /** @type {() => void} */ left) => {
    const element = row(one, followButton(one), own && which === "followers" ? removeButton(one, () => (element.remove(), left())) : null);
    return element;
  };
  const title = which === "followers" ? "Followers" : "Following";
  const roll = roster(load, draw, which === "followers" ? "Nobody follows so far." : "Follows nobody so far.");
  const shown = dialog(`${title} of @${person.handle}`);
  shown.append(dialogHead(shown, title), roll.element);
  roll.next();
}

/** @param {any} person @param {() => void} left @returns {HTMLElement} */
function removeButton(person, left) {
  const bond = bondOf(person);
  const press = async () => {
    if (await bond.followed.want("NONE")) left();
  };
  return h("button", { type: "button", class: "button small", onclick: press }, "Remove", h("span", { class: "hidden-text" }, ` @${person.handle}`));
}

/** Who asks to follow the viewer. @param {(count: number) => void} changed hears how many are shown @returns {Roll} */
export function followRequests(changed) {
  const answer = (/** @type {any} */ person, /** @type {string} */ next, /** @type {string} */ word, /** @type {HTMLElement} */ element, /** @type {() => void} */ left) => {
    const press = async () => {
      element.inert = true;
      if (await bondOf(person).followed.want(next)) {
        element.remove();
        left();
        changed(-1);
      }
      element.inert = false;
    };
    return h("button", { type: "button", class: next === "FOLLOWING" ? "button small primary" : "button small", onclick: press }, word, h("span", { class: "hidden-text" }, ` @${person.handle}`));
  };
  return roster(
    async (after) => (await ask(REQUESTS, { first: PAGE, after })).followRequests,
    (person, left) => {
      const element = row(person);
      /** @type {HTMLElement} */ (element.lastElementChild).append(answer(person, "FOLLOWING", "Approve", element, left), answer(person, "NONE", "Decline", element, left));
      changed(1);
      return element;
    },
    "Nobody asks to follow you at this moment.",
  );
}

/** @param {"blocking" | "muting"} wish @param {string} word of the button @returns {(person: any, left: () => void) => HTMLElement} */
function lifting(wish, word) {
  return (person, left) => {
    const press = async () => {
      if (!(await bondOf(person)[wish].want(false))) return;
      element.remove();
      left();
    };
    const element = row(person, h("button", { type: "button", class: "button small", onclick: press }, word, h("span", { class: "hidden-text" }, ` @${person.handle}`)));
    return element;
  };
}

/** @returns {Roll} */
export function blockedPeople() {
  return roster(async (after) => (await ask(BLOCKED, { first: PAGE, after })).blockedUsers, lifting("blocking", "Unblock"), "You block nobody.");
}

/** @returns {Roll} */
export function mutedPeople() {
  return roster(async (after) => (await ask(MUTED, { first: PAGE, after })).mutedUsers, lifting("muting", "Unmute"), "You mute nobody.");
}
