/** Sign-up: checks what can be checked here, says what is wrong beside its field, signs in at the end. */

import { act, gql } from "./api.js";
import { signIn, signInWith } from "./auth.js";
import { chosenConsents, consentChoices } from "./consents.js";
import { byId } from "./dom.js";
import { uuid } from "./random.js";
import { sentence, sentenceOf } from "./sentences.js";
import { startShell } from "./shell.js";

const SIGN_UP = gql`mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) { user { id handle } userErrors { code message field details { name value } } } }`;

/** Which field a reason speaks of, when the answer does not say. @type {Record<string, string>} */
const FIELDS = {
  HANDLE_TAKEN: "handle",
  HANDLE_NOT_ALLOWED: "handle",
  EMAIL_TAKEN: "email",
  INVALID_EMAIL: "email",
  INVALID_BIRTH_DATE: "birthDate",
  TOO_YOUNG: "birthDate",
  PASSWORD_TOO_WEAK: "password",
};

const form = byId("form");
let requestId = uuid();

/** @param {string} name @param {string} text */
function say(name, text) {
  const field = form.elements.namedItem(name);
  byId(`${name}-problem`).textContent = text;
  field.toggleAttribute("aria-invalid", false);
  if (text) field.setAttribute("aria-invalid", "true");
}

/** @returns {Record<string, string>} field -> what is wrong */
function problems() {
  /** @type {Record<string, string>} */
  const found = {};
  const { handle, email, birthDate, password } = values();
  if (!handle) found.handle = "Choose a handle.";
  if (!/^[^@\s]+@[^@\s]+$/.test(email)) found.email = sentence("INVALID_EMAIL");
  if (!birthDate) found.birthDate = sentence("INVALID_BIRTH_DATE");
  if (password.length < 8) found.password = sentence("PASSWORD_TOO_WEAK");
  return found;
}

/** @returns {Record<string, string>} */
function values() {
  return Object.fromEntries(["handle", "displayName", "email", "birthDate", "password"].map((name) => [name, name === "password" ? form.elements[name].value : form.elements[name].value.trim()]));
}

/** @param {Record<string, string>} found */
function show(found) {
  for (const name of ["handle", "displayName", "email", "birthDate", "password"]) say(name, found[name] ?? "");
  const [first] = Object.keys(found);
  if (first) form.elements[first].focus();
}

form.addEventListener("submit", async (/** @type {Event} */ event) => {
  event.preventDefault();
  byId("form-error").textContent = "";
  const found = problems();
  show(found);
  if (Object.keys(found).length) return;
  byId("submit").disabled = true;
  const { handle, displayName, email, birthDate, password } = values();
  try {
    const languages = navigator.languages.slice(0, 8);
    await act(SIGN_UP, { requestId, handle, displayName: displayName || null, email, birthDate, password, consents: chosenConsents(form), languages });
    if (await signInWith(handle, password).catch(() => false)) location.assign("/");
    else await signIn("/");
  } catch (error) {
    refused(error);
  } finally {
    byId("submit").disabled = false;
  }
});

/** @param {any} error */
function refused(error) {
  // The name of a refused request is used up: changed words under it would be another request.
  if (!error.passes) requestId = uuid();
  /** @type {Record<string, string>} */
  const found = {};
  for (const one of error.all ?? []) {
    const name = FIELDS[one.code] ?? one.field?.at(-1);
    if (name && form.elements.namedItem(name)) found[name] = sentence(one.code, one.message);
  }
  show(found);
  if (!Object.keys(found).length) byId("form-error").textContent = error.code ? sentenceOf(error) : `${error.message}.`;
}

byId("consents").append(...consentChoices([]));
byId("sign-in").addEventListener("click", () => signIn("/"));
startShell().then((account) => account && location.replace("/"));
