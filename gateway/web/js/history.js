/** What a comment said before it was changed. */

import { revisionsOf } from "./commenting.js";
import { dialog, dialogHead } from "./dialogs.js";
import { ago, h } from "./dom.js";
import { Roll } from "./roll.js";

/** @param {string} text @param {string} moment ISO-8601 @param {string} word */
function said(text, moment, word) {
  return h("li", {}, h("p", { class: "quiet" }, word, h("time", { datetime: moment }, ago(moment))), h("p", { class: "text", dir: "auto" }, text));
}

/** @param {{id: string, text: string, editedAt: string | null, postedAt: string}} comment */
export function openHistory(comment) {
  const roll = new Roll({
    load: (after) => revisionsOf(comment.id, after),
    draw: ({ node }) => said(node.text, node.writtenAt, "Before, written "),
    list: h("ul", { class: "history" }, said(comment.text, comment.editedAt ?? comment.postedAt, "Now, written ")),
    none: "",
  });
  const shown = dialog("What the comment said");
  shown.append(dialogHead(shown, "What the comment said"), roll.element);
  roll.next();
}
