/** Dialogs: one that shows what it is given, and one that asks before something is done for good. */

import { h, toast } from "./dom.js";
import { sentenceOf } from "./sentences.js";

/** @param {string} name @param {...any} content @returns {HTMLDialogElement} shown, and gone once it is closed */
export function dialog(name, ...content) {
  const shown = h("dialog", { "aria-label": name }, ...content);
  shown.addEventListener("close", () => shown.remove());
  // Beside the content, on the backdrop.
  shown.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const box = shown.getBoundingClientRect();
    const outside = event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
    // A key's click has no place.
    if (event.target === shown && event.detail > 0 && outside) shown.close();
  });
  document.body.append(shown);
  shown.showModal();
  return shown;
}

/** @param {HTMLDialogElement} shown @param {string} title @returns {HTMLElement} the heading of a dialog with a button that closes it */
export function dialogHead(shown, title) {
  return h("header", { class: "dialog-head" }, h("h2", {}, title), h("button", { type: "button", class: "button small", onclick: () => shown.close() }, "Close"));
}

/**
 * Ask before something is done for good.
 * @param {{title: string, text: string, yes: string, no: string, act: () => Promise<void>}} question `act` throws ApiError
 */
export function askFirst({ title, text, yes, no, act }) {
  const agree = h("button", { type: "button", class: "button danger" }, yes);
  const stay = h("button", { type: "button", class: "button", autofocus: true, onclick: () => shown.close() }, no);
  const shown = dialog(title, h("div", { class: "form" }, h("h2", {}, title), h("p", {}, text), h("div", { class: "row" }, stay, agree)));
  agree.addEventListener("click", async () => {
    agree.disabled = true;
    try {
      await act();
      shown.close();
    } catch (error) {
      agree.disabled = false;
      toast(sentenceOf(error), true);
    }
  });
}
