/** A forgotten password: asks for a mailed link; opened by that link it sets a new one. */

import { act, gql } from "./api.js";
import { forget, signIn } from "./auth.js";
import { byId } from "./dom.js";
import { mailedSecret } from "./mailed.js";
import { uuid } from "./random.js";
import { sentence, sentenceOf } from "./sentences.js";
import { startShell } from "./shell.js";

const ASK = gql`mutation RequestPasswordReset($input: RequestPasswordResetInput!) { requestPasswordReset(input: $input) {
  taken userErrors { code message field details { name value } } } }`;
const RESET = gql`mutation ResetPassword($input: ResetPasswordInput!) { resetPassword(input: $input) {
  changed userErrors { code message field details { name value } } } }`;

const token = mailedSecret();
let [requestId, of] = [uuid(), ""];

/** @param {string} title @param {string} text @param {boolean} signsIn */
function done(title, text, signsIn) {
  byId("ask").hidden = byId("set").hidden = true;
  byId("done").hidden = false;
  byId("done-title").textContent = title;
  byId("done-sentence").textContent = text;
  byId("sign-in").hidden = !signsIn;
  byId("done-title").focus();
}

byId("ask-form").addEventListener("submit", async (/** @type {Event} */ event) => {
  event.preventDefault();
  const email = byId("ask-form").elements.namedItem("email").value.trim();
  byId("ask-error").textContent = /^[^@\s]+@[^@\s]+$/.test(email) ? "" : sentence("INVALID_EMAIL");
  if (byId("ask-error").textContent) return;
  byId("ask-send").disabled = true;
  try {
    await act(ASK, { email });
    done("Look at your mail", "If this address belongs to an account, a link is on its way to it.", false);
  } catch (error) {
    byId("ask-error").textContent = sentenceOf(error);
  }
  byId("ask-send").disabled = false;
});

byId("set-form").addEventListener("submit", async (/** @type {Event} */ event) => {
  event.preventDefault();
  const newPassword = byId("set-form").elements.namedItem("password").value;
  byId("set-error").textContent = newPassword.length < 8 ? sentence("PASSWORD_TOO_WEAK") : "";
  if (byId("set-error").textContent) return;
  // Another password is another request.
  if (newPassword !== of) [requestId, of] = [uuid(), newPassword];
  byId("set-save").disabled = true;
  try {
    await act(RESET, { requestId, token, newPassword });
    await forget();
    done("Your new password holds", "Every session has ended; sign in with it.", true);
  } catch (error) {
    byId("set-error").textContent = sentenceOf(error);
    byId("set-anew").hidden = /** @type {any} */ (error).code !== "INVALID_MAIL_TOKEN";
  }
  byId("set-save").disabled = false;
});

byId("sign-in").addEventListener("click", () => signIn("/"));
byId(token ? "set" : "ask").hidden = false;
startShell();
