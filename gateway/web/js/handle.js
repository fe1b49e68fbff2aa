/** Another handle: the old one is kept for its owner for a while. */

import { act, gql } from "./api.js";
import { h } from "./dom.js";
import { uuid } from "./random.js";
import { sentenceOf } from "./sentences.js";

const CHANGE = gql`mutation ChangeHandle($input: ChangeHandleInput!) { changeHandle(input: $input) {
  user { handle } userErrors { code message field details { name value } } } }`;

/** @param {HTMLElement} form @param {string} handle @param {(handle: string) => void} changed */
export function keepHandle(form, handle, changed) {
  const field = h("input", { name: "handle", maxlength: 25, required: true, autocapitalize: "none", autocomplete: "off", spellcheck: "false", value: handle, "aria-describedby": "handle-note" });
  const problem = h("p", { class: "form-error", role: "alert" });
  const save = h("button", { class: "button" }, "Change handle");
  form.replaceChildren(problem,
    h("label", { class: "field" }, h("span", {}, "Handle"), field, h("small", { id: "handle-note" }, "2 to 24 of a–z, 0–9, _ and . — at most three changes in 30 days. For so long nobody else can take the old one.")),
    h("div", { class: "row" }, save));
  let [requestId, of] = [uuid(), ""];
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const wanted = field.value.trim().replace(/^@/, "");
    if (!wanted || wanted.toLowerCase() === handle) return;
    // Another handle is another request.
    if (wanted !== of) [requestId, of] = [uuid(), wanted];
    save.disabled = true;
    problem.textContent = "";
    try {
      const { user } = await act(CHANGE, { requestId, handle: wanted });
      field.value = handle = user.handle;
      changed(handle);
    } catch (error) {
      const { code } = /** @type {any} */ (error);
      problem.textContent = code === "TOO_MANY_ATTEMPTS" ? "You have changed it three times in 30 days. Come back later." : sentenceOf(error);
    }
    save.disabled = false;
  });
}
