/** What waits for the creator's approval before others see it: comments with certain words, with links, or all. */

import { act, ask, gql } from "./api.js";
import { h, toast } from "./dom.js";
import { uuid } from "./random.js";
import { sentenceOf } from "./sentences.js";

const FILTERS = gql`query CommentFilters { commentFilters { words holdLinks holdAll } }`;
const UPDATE = gql`mutation UpdateCommentFilters($input: UpdateCommentFiltersInput!) { updateCommentFilters(input: $input) {
  filters { words holdLinks holdAll } userErrors { code message field details { name value } } } }`;

/** @param {HTMLElement} form @returns {Promise<void>} throws ApiError */
export async function openFilters(form) {
  draw(form, (await ask(FILTERS)).commentFilters);
}

/** @param {HTMLElement} form @param {{words: string[], holdLinks: boolean, holdAll: boolean}} filters */
function draw(form, filters) {
  const words = h("textarea", { name: "words", rows: 3, "aria-describedby": "words-note" });
  words.value = filters.words.join("\n");
  const links = h("input", { type: "checkbox", name: "holdLinks", checked: filters.holdLinks });
  const all = h("input", { type: "checkbox", name: "holdAll", checked: filters.holdAll });
  const save = h("button", { class: "button" }, "Save");
  const problem = h("p", { class: "form-error", role: "alert" });
  form.replaceChildren(
    problem,
    h("label", { class: "choice" }, all, h("span", {}, "Every comment"), h("small", {}, "Nobody else sees a comment before you approved it.")),
    h("label", { class: "choice" }, links, h("span", {}, "Comments with links"), h("small", {}, "The usual way of spam.")),
    h("label", { class: "field" }, h("span", {}, "Comments with these words"), words, h("small", { id: "words-note" }, "One a line.")),
    h("div", { class: "row" }, save));
  let requestId = uuid();
  // Other words are another request.
  form.oninput = () => {
    requestId = uuid();
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    save.disabled = true;
    problem.textContent = "";
    try {
      const wanted = words.value.split("\n").map((/** @type {string} */ word) => word.trim()).filter(Boolean);
      const { filters: kept } = await act(UPDATE, { requestId, words: wanted, holdLinks: links.checked, holdAll: all.checked });
      draw(form, kept);
      toast("Saved.");
    } catch (error) {
      if (!(/** @type {any} */ (error).passes)) requestId = uuid();
      problem.textContent = sentenceOf(error);
      save.disabled = false;
    }
  };
}
