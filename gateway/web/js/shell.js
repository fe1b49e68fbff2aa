/** What every page does: who is signed in, the account menu with consents, sign-out. */

import { act, ask, gql } from "./api.js";
import { hasSession, renew, signIn, signOut } from "./auth.js";
import { byId, face, h, toast } from "./dom.js";
import { sentenceOf } from "./sentences.js";

const ME = gql`query Me { me { email ageBand roles consents user { id handle displayName } } }`;
const CONSENTS = gql`mutation UpdateConsents($input: UpdateConsentsInput!) {
  updateConsents(input: $input) { account { consents } userErrors { code message field details { name value } } } }`;

/** What each purpose means, in the order shown. @type {[string, string, string][]} */
export const PURPOSES = [
  ["PERSONALISATION", "A feed of your own", "What you watch and skip chooses what comes next. Without it the feed is the same as for anybody in your place."],
  ["ANALYTICS", "Numbers for creators", "Your views count in the statistics that creators see, never with your name."],
  ["ADS", "Ads that fit you", "Ads may be chosen by what you watch. Without it they only look at the clip beside them."],
];

/** @typedef {{email: string, ageBand: string, roles: string[], consents: string[], user: {id: string, handle: string, displayName: string}}} Account */

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

/** Switches of the purposes. @param {string[]} granted @param {(event: Event) => void} [onchange] @returns {HTMLElement[]} */
export function consentChoices(granted, onchange) {
  return PURPOSES.map(([purpose, name, meaning]) =>
    h("label", { class: "choice" }, h("input", { type: "checkbox", name: "consent", value: purpose, checked: granted.includes(purpose), onchange }), h("span", {}, name), h("small", {}, meaning)),
  );
}

/** @param {HTMLElement} form @returns {string[]} */
export function chosenConsents(form) {
  return [...form.querySelectorAll("input[name=consent]:checked")].map((box) => /** @type {HTMLInputElement} */ (box).value);
}

/** @param {Account} account */
function fillMenu(account) {
  const { handle, displayName } = account.user;
  const form = h("form", { class: "form", "aria-label": "What we may use" }, ...consentChoices(account.consents, save));
  byId("account-menu").replaceChildren(
    h("div", { class: "who" }, face(handle), h("div", {}, h("strong", {}, displayName), h("span", { class: "quiet" }, `@${handle}`))),
    h("strong", {}, "What we may use"),
    form,
    h("button", { type: "button", class: "button wide", id: "sign-out", onclick: leave }, "Sign out"),
  );

  async function save() {
    try {
      const { account: after } = await act(CONSENTS, { consents: chosenConsents(form) });
      account.consents = after.consents;
      // The access token carries the consents; the old one would go on saying the old ones.
      await renew();
      toast("Saved.");
    } catch (error) {
      form.replaceChildren(...consentChoices(account.consents, save));
      toast(sentenceOf(error), true);
    }
  }
}

async function leave() {
  await signOut();
  location.assign("/");
}

/** @param {Account | null} account */
function showAccount(account) {
  const button = byId("account");
  if (!account) {
    button.removeAttribute("popovertarget");
    button.onclick = () => signIn().catch((error) => toast(`${error.message}.`, true));
    return;
  }
  const { handle } = account.user;
  fillMenu(account);
  button.replaceChildren(face(handle), h("span", {}, `@${handle}`));
  button.setAttribute("popovertarget", "account-menu");
  button.setAttribute("aria-label", `Account of @${handle}`);
  byId("nav-review").hidden = !mayDecide(account);
}

/** Begin the page; the account appears when it is known. @returns {Promise<Account | null>} null for anonymous, also when it cannot be known */
export async function startShell() {
  addEventListener("offline", () => toast("You are offline.", true));
  addEventListener("clipmesh:signed-out", () => {
    asked = Promise.resolve(null);
  });
  try {
    const account = await whoAmI();
    showAccount(account);
    return account;
  } catch (error) {
    showAccount(null);
    if (/** @type {any} */ (error).code !== "UNAUTHENTICATED") toast(sentenceOf(error), true);
    return null;
  }
}
