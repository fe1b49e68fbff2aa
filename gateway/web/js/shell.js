/** What every page does: who is signed in, the account menu, sign-out. */

import { ask, gql } from "./api.js";
import { hasSession, signIn, signOut } from "./auth.js";
import { byId, face, h, toast } from "./dom.js";
import { followInbox } from "./inbox.js";
import { sentenceOf } from "./sentences.js";

const ME = gql`query Me { me { email emailVerified ageBand roles consents user { id handle displayName avatar { url(size: 128) } } } }`;

/** @typedef {{email: string, emailVerified: boolean, ageBand: string, roles: string[], consents: string[], user: {id: string, handle: string, displayName: string, avatar?: {url: string | null} | null}}} Account */

/** @type {Promise<Account | null> | null} */
let asked = null;

/** Who is signed in; asked once a page. @returns {Promise<Account | null>} throws ApiError when that cannot be known */
export function whoAmI() {
  asked ??= hasSession() ? ask(ME).then((data) => data.me) : Promise.resolve(null);
  return asked;
}

/** @param {Account} account @returns {boolean} whether the review desk is open to it */
export function mayDecide(account) {
  return account.roles.includes("MODERATOR") || account.roles.includes("ADMIN");
}

/** @param {Account} account */
function fillMenu(account) {
  const { handle, displayName } = account.user;
  byId("account-menu").replaceChildren(
    h("div", { class: "who" }, face(account.user), h("div", {}, h("strong", {}, h("bdi", {}, displayName)), h("span", { class: "quiet" }, `@${handle}`))),
    h("a", { class: "button wide", href: `/@${encodeURIComponent(handle)}` }, "Your page"),
    h("a", { class: "button wide", href: "/settings" }, "Settings"),
    h("button", { type: "button", class: "button wide", id: "sign-out", onclick: leave }, "Sign out"),
  );
}

/** Sign out, and begin anew as a stranger. */
export async function leave() {
  await signOut();
  location.assign("/");
}

/** Show who is signed in, also when they look or are called otherwise than before. @param {Account | null} account */
export function showAccount(account) {
  const button = byId("account");
  if (!account) {
    button.removeAttribute("popovertarget");
    button.onclick = () => signIn().catch((error) => toast(`${error.message}.`, true));
    return;
  }
  const { handle } = account.user;
  fillMenu(account);
  button.replaceChildren(face(account.user), h("span", {}, `@${handle}`));
  button.setAttribute("popovertarget", "account-menu");
  button.setAttribute("aria-label", `Account of @${handle}`);
  byId("nav-review").hidden = !mayDecide(account);
}

/** Begin the page; the account appears when it is known. @param {{badge?: boolean}} [options] without the badge the page follows the inbox itself @returns {Promise<Account | null>} null for anonymous, also when it cannot be known */
export async function startShell({ badge = true } = {}) {
  addEventListener("offline", () => toast("You are offline.", true));
  addEventListener("clipmesh:signed-out", () => {
    asked = Promise.resolve(null);
  });
  try {
    const account = await whoAmI();
    showAccount(account);
    byId("nav-inbox").hidden = account === null;
    if (account && badge) followInbox(null);
    return account;
  } catch (error) {
    showAccount(null);
    if (/** @type {any} */ (error).code !== "UNAUTHENTICATED") toast(sentenceOf(error), true);
    return null;
  }
}
