/** What a person wants of something that the server keeps: shown at once, told one call after the other, taken back when it is refused. */

import { toast } from "./dom.js";
import { uuid } from "./random.js";
import { sentenceOf } from "./sentences.js";

/** @template T */
export class Wish {
  /** @param {T} known as the server knows @param {(wanted: T, requestId: string) => Promise<any>} tell @param {() => void} show draws what is wanted */
  constructor(known, tell, show) {
    /** What the server said last. */
    this.known = known;
    /** What the person wants; shown at once. */
    this.wanted = known;
    this.tell = tell;
    this.show = show;
    this.busy = false;
    /** A call whose answer was lost: asked again under its own name it is no second act. @type {{value: T, requestId: string} | null} */
    this.unsure = null;
  }

  /** @param {T} wanted @returns {Promise<boolean>} whether the server knows it now */
  want(wanted) {
    this.wanted = wanted;
    this.show();
    return this.settle();
  }

  /** Tell the server, one call after the other, until it knows what the person wants. */
  async settle() {
    if (this.busy) return false;
    this.busy = true;
    try {
      while (this.known !== this.wanted) {
        const next = this.wanted;
        if (this.unsure?.value !== next) this.unsure = { value: next, requestId: uuid() };
        await this.tell(next, this.unsure.requestId);
        this.known = next;
        this.unsure = null;
      }
      return true;
    } catch (error) {
      if (!(/** @type {any} */ (error).passes)) this.unsure = null;
      this.wanted = this.known;
      toast(sentenceOf(error), true);
      return false;
    } finally {
      this.busy = false;
      this.show();
    }
  }

  /** What the server said by itself; what the person wants otherwise is still being told. @param {T} known */
  hear(known) {
    if (this.busy) return;
    this.known = this.wanted = known;
    this.show();
  }
}
