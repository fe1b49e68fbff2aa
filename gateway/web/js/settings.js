/** The settings page: picture, handle, privacy, consents, people kept away, e-mail, password, sessions. */

import { act, gql } from "./api.js";
import { hasSession, signIn } from "./auth.js";
import { keepConsents } from "./consents.js";
import { byId, h, toast } from "./dom.js";
import { openFilters } from "./filters.js";
import { keepHandle } from "./handle.js";
import { NoticesForm } from "./notices.js";
import { Portrait } from "./portrait.js";
import { PrivacyForm } from "./privacy.js";
import { uuid } from "./random.js";
import { blockedPeople, mutedPeople } from "./roster.js";
import { sentence, sentenceOf } from "./sentences.js";
import { openSessions } from "./sessions.js";
import { leave, showAccount, startShell } from "./shell.js";

const CHANGE = gql`mutation ChangePassword($input: ChangePasswordInput!) { changePassword(input: $input) {
  changed userErrors { code message field details { name value } } } }`;
const VERIFY = gql`mutation RequestEmailVerification($input: RequestEmailVerificationInput!) { requestEmailVerification(input: $input) {
  taken userErrors { code message field details { name value } } } }`;

/** @param {{email: string, emailVerified: boolean}} account */
function showEmail({ email, emailVerified }) {
  const send = h("button", { type: "button", class: "button small" }, "Send me a link");
  const requestId = uuid();
  send.addEventListener("click", async () => {
    send.disabled = true;
    try {
      await act(VERIFY, { requestId });
      send.textContent = "The link is on its way";
    } catch (error) {
      send.disabled = false;
      toast(sentenceOf(error), true);
    }
  });
  byId("email").replaceChildren(h("div", { class: "row" },
    h("span", { class: "address" }, email),
    h("span", { class: emailVerified ? "badge good" : "badge waits" }, emailVerified ? "Confirmed" : "Not confirmed"),
    emailVerified ? null : send));
}

/** @param {string} handle */
function keepPassword(handle) {
  const form = byId("password");
  const field = (/** @type {string} */ name) => form.elements.namedItem(name);
  field("username").value = handle;
  let [requestId, of] = [uuid(), ""];
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const words = { currentPassword: field("current").value, newPassword: field("next").value };
    const say = (/** @type {string} */ text) => {
      byId("password-error").textContent = text;
    };
    if (!words.currentPassword) return say("Give your present password.");
    if (words.newPassword.length < 8) return say(sentence("PASSWORD_TOO_WEAK"));
    say("");
    // Other words are another request.
    if (JSON.stringify(words) !== of) [requestId, of] = [uuid(), JSON.stringify(words)];
    byId("password-save").disabled = true;
    try {
      await act(CHANGE, { requestId, ...words });
      form.reset();
      field("username").value = handle;
      [requestId, of] = [uuid(), ""];
      toast("Changed. Everywhere else you are signed out.");
      openSessions();
    } catch (error) {
      const { code } = /** @type {any} */ (error);
      say(code === "WRONG_CREDENTIALS" ? "This is not your present password." : sentenceOf(error));
    }
    byId("password-save").disabled = false;
  });
}

/** @param {string} id of a `details` @param {() => import("./roll.js").Roll} make its list, when it is first opened */
function onceOpened(id, make) {
  byId(id).addEventListener("toggle", () => {
    const roll = make();
    byId(id).append(roll.element);
    roll.next();
  }, { once: true });
}

byId("gate-in").addEventListener("click", () => signIn());
byId("leave").addEventListener("click", leave);
onceOpened("blocked", blockedPeople);
onceOpened("muted", mutedPeople);

const account = await startShell();
if (account) {
  const portrait = new Portrait(byId("picture"), account.user, () => showAccount(account));
  keepHandle(byId("handle"), account.user.handle, (handle) => {
    account.user.handle = handle;
    showAccount(account);
    portrait.show();
    /** @type {any} */ (byId("password").elements.namedItem("username")).value = handle;
    toast(`You are @${handle} now.`);
  });
  new PrivacyForm(byId("privacy"), account).open().catch((error) => toast(sentenceOf(error), true));
  openFilters(byId("filters")).catch((error) => toast(sentenceOf(error), true));
  new NoticesForm(byId("notices")).open().catch((error) => toast(sentenceOf(error), true));
  keepConsents(byId("consents"), account);
  keepPassword(account.user.handle);
  showEmail(account);
  openSessions();
  byId("room").hidden = false;
} else {
  byId("gate").hidden = false;
  if (!hasSession()) byId("gate-in").focus();
}
