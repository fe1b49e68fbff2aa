/** Opened by a mailed link: confirms that an address is the person's own. */

import { act, gql } from "./api.js";
import { byId } from "./dom.js";
import { mailedSecret } from "./mailed.js";
import { sentenceOf } from "./sentences.js";
import { startShell } from "./shell.js";

const VERIFY = gql`mutation VerifyEmail($input: VerifyEmailInput!) { verifyEmail(input: $input) {
  verified userErrors { code message field details { name value } } } }`;

const token = mailedSecret();

/** @param {string} headline @param {string} sentence @param {boolean} passes whether the same may work later */
function say(headline, sentence, passes) {
  byId("headline").textContent = headline;
  byId("sentence").textContent = sentence;
  byId("again").hidden = !passes;
  byId("onward").hidden = passes;
}

async function verify() {
  byId("again").hidden = true;
  if (!token) {
    say("There is no link here", "Open the link of the mail as a whole.", false);
    return;
  }
  try {
    await act(VERIFY, { token });
    say("Your address is confirmed", "Thank you.", false);
  } catch (error) {
    say("That did not work", sentenceOf(error), Boolean(/** @type {any} */ (error).passes));
  }
}

byId("again").addEventListener("click", verify);
startShell();
verify();
