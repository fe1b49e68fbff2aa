/** One's saved clips: in collections or in none, named, moved and taken out. */

import { act, ask, gql } from "./api.js";
import { askFirst, dialog, dialogHead } from "./dialogs.js";
import { h, toast } from "./dom.js";
import { uuid } from "./random.js";
import { sentenceOf } from "./sentences.js";
import { saved } from "./tiles.js";

const MOST_NAME = 50;

const COLLECTIONS = gql`query Collections { collections(first: 50) { edges { node { id name } } pageInfo { hasNextPage } } }`;
const CREATE = gql`mutation CreateCollection($input: CreateCollectionInput!) { createCollection(input: $input) {
  collection { id name } userErrors { code message field details { name value } } } }`;
const RENAME = gql`mutation RenameCollection($input: RenameCollectionInput!) { renameCollection(input: $input) {
  collection { id name } userErrors { code message field details { name value } } } }`;
const DELETE = gql`mutation DeleteCollection($input: DeleteCollectionInput!) { deleteCollection(input: $input) {
  deletedCollectionId userErrors { code message field details { name value } } } }`;
const MOVE = gql`mutation SaveInto($input: SaveInput!) { save(input: $input) {
  viewerState { saved } userErrors { code message field details { name value } } } }`;
const UNSAVE = gql`mutation UnsaveListed($input: UnsaveInput!) { unsave(input: $input) {
  viewerState { saved } userErrors { code message field details { name value } } } }`;

export class Keeps {
  constructor() {
    /** @type {{id: string, name: string}[]} */
    this.collections = [];
    /** @type {string | null} of the collection that is shown */
    this.shown = null;
    this.chips = h("div", { class: "tabs", role: "group", "aria-label": "Collections" });
    this.tools = h("div", { class: "row" });
    this.shelf = h("div", {});
    this.element = h("div", { class: "roll" }, this.chips, this.tools, this.shelf);
  }

  /** @returns {Promise<void>} throws ApiError */
  async open() {
    this.choose(null);
    this.collections = (await ask(COLLECTIONS)).collections.edges.map((/** @type {any} */ edge) => edge.node);
    this.draw();
  }

  /** @param {string | null} id */
  choose(id) {
    this.shown = id;
    const roll = saved(id, (video, element) => this.askWhere(video, element, roll));
    this.shelf.replaceChildren(roll.element);
    roll.next();
    this.draw();
  }

  draw() {
    const chip = (/** @type {string | null} */ id, /** @type {string} */ name) =>
      h("button", { type: "button", class: this.shown === id ? "button small primary" : "button small", "aria-pressed": String(this.shown === id), onclick: () => this.choose(id) }, h("bdi", {}, name));
    const add = h("button", { type: "button", class: "button small", onclick: () => this.askName("New collection", "", (name, requestId) => this.create(name, requestId)) }, "New collection");
    this.chips.replaceChildren(chip(null, "All"), ...this.collections.map(({ id, name }) => chip(id, name)), add);
    const now = this.collections.find(({ id }) => id === this.shown);
    this.tools.replaceChildren(...(now ? this.toolsOf(now) : []));
    this.tools.hidden = !now;
  }

  /** @param {{id: string, name: string}} now @returns {HTMLElement[]} */
  toolsOf(now) {
    const rename = () => this.askName("Rename collection", now.name, async (name, requestId) => {
      now.name = (await act(RENAME, { requestId, collectionId: now.id, name })).collection.name;
    });
    const remove = () => askFirst({
      title: "Delete the collection?",
      text: "What is kept in it stays saved.",
      yes: "Delete",
      no: "Keep it",
      act: async () => {
        await act(DELETE, { collectionId: now.id });
        this.collections = this.collections.filter(({ id }) => id !== now.id);
        this.choose(null);
      },
    });
    return [h("button", { type: "button", class: "button small", onclick: rename }, "Rename"), h("button", { type: "button", class: "button small danger", onclick: remove }, "Delete collection")];
  }

  /** @param {string} name @param {string} requestId */
  async create(name, requestId) {
    const { collection } = await act(CREATE, { requestId, name });
    this.collections.push(collection);
    this.choose(collection.id);
  }

  /** @param {string} title @param {string} name @param {(name: string, requestId: string) => Promise<void>} done throws ApiError */
  askName(title, name, done) {
    const field = h("input", { name: "name", maxlength: MOST_NAME, required: true, value: name });
    const problem = h("p", { class: "form-error", role: "alert" });
    const form = h("form", { class: "form" }, problem, h("label", { class: "field" }, h("span", {}, "Name"), field), h("div", { class: "row" }, h("button", { class: "button primary" }, "Save")));
    const shown = dialog(title);
    shown.append(dialogHead(shown, title), form);
    field.focus();
    let [requestId, of] = [uuid(), field.value];
    form.addEventListener("submit", async (/** @type {Event} */ event) => {
      event.preventDefault();
      // Another name is another request.
      if (field.value !== of) [requestId, of] = [uuid(), field.value];
      try {
        await done(field.value.trim(), requestId);
        shown.close();
        this.draw();
      } catch (error) {
        problem.textContent = sentenceOf(error);
      }
    });
  }

  /** @param {any} video @param {HTMLElement} element its tile @param {import("./roll.js").Roll} roll */
  askWhere(video, element, roll) {
    const shown = dialog("Where to keep the clip");
    const put = async (/** @type {string} */ document, /** @type {Record<string, any>} */ input, /** @type {string} */ said, /** @type {boolean} */ leaves) => {
      shown.close();
      // Seen at once; the tile comes back to its place when the server refuses.
      element.hidden = leaves;
      try {
        await act(document, { requestId: uuid(), videoId: video.id, ...input });
        if (leaves) element.remove();
        roll.left();
        toast(said);
      } catch (error) {
        element.hidden = false;
        toast(sentenceOf(error), true);
      }
    };
    const place = (/** @type {string | null} */ id, /** @type {string} */ name) =>
      h("button", { type: "button", class: "button wide", disabled: id === this.shown && id !== null, onclick: () => put(MOVE, { collectionId: id }, "Moved.", this.shown !== null && id !== this.shown) }, h("bdi", {}, name));
    shown.append(dialogHead(shown, "Keep it in"), h("div", { class: "choices" }, place(null, "No collection"), ...this.collections.map(({ id, name }) => place(id, name)),
      h("button", { type: "button", class: "button wide danger", onclick: () => put(UNSAVE, {}, "Removed from what you saved.", true) }, "Remove from saved")));
  }
}
