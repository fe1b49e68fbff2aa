/** What each purpose of personal facts means, and its switch. */

import { act, gql } from "./api.js";
import { renew } from "./auth.js";
import { h, toast } from "./dom.js";
import { sentenceOf } from "./sentences.js";

const CONSENTS = gql`mutation UpdateConsents($input: UpdateConsentsInput!) {
  updateConsents(input: $input) { account { consents } userErrors { code message field details { name value } } } }`;

/** In the order shown. @type {[string, string, string][]} */
const PURPOSES = [
  ["PERSONALISATION", "A feed of your own", "What you watch and skip chooses what comes next. Without it the feed is the same as for anybody in your place."],
  ["ANALYTICS", "Numbers for creators", "Your views count in the statistics that creators see, never with your name."],
  ["ADS", "Ads that fit you", "Ads may be chosen by what you watch. Without it they only look at the clip beside them."],
];

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

/** Switches that are saved as they are pressed. @param {HTMLElement} form @param {{consents: string[]}} account */
export function keepConsents(form, account) {
  const save = async () => {
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
  };
  form.replaceChildren(...consentChoices(account.consents, save));
}
