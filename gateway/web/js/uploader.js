/** Sends one file in parts, several at once, each tried again when the line breaks; the same file chosen later goes on where it was. */

import { act, gql } from "./api.js";
import { ApiError } from "./errors.js";
import { hashOf, lookAt, markOf, typeOf } from "./filefacts.js";
import { uuid } from "./random.js";

const START = gql`mutation StartUpload($input: StartUploadInput!) { startUpload(input: $input) {
  upload { id state partSizeBytes partCount sizeBytes receivedParts { partNumber sizeBytes } stage progressPercent playable failureCode failureDetail }
  userErrors { code message field details { name value } } } }`;
const SIGN = gql`mutation SignUploadParts($input: SignUploadPartsInput!) { signUploadParts(input: $input) {
  parts { partNumber url sizeBytes } userErrors { code message field details { name value } } } }`;
const COMPLETE = gql`mutation CompleteUpload($input: CompleteUploadInput!) { completeUpload(input: $input) {
  upload { id state } userErrors { code message field details { name value } } } }`;
const ABORT = gql`mutation AbortUpload($input: AbortUploadInput!) { abortUpload(input: $input) {
  upload { id state } userErrors { code message field details { name value } } } }`;

const KEPT = "clipmesh.upload.";
const KEPT_MS = 20 * 3_600_000;
const AT_ONCE = 3;
const SIGNED_AT_ONCE = 12;
const TRIES = 8;
const TURNS = 3;

/** @param {string} uploadId @returns {Promise<void>} throws ApiError */
export async function abortUpload(uploadId) {
  await act(ABORT, { uploadId });
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(KEPT) && JSON.parse(localStorage.getItem(key) ?? "{}").uploadId === uploadId) localStorage.removeItem(key);
  }
}

export class Uploader {
  /**
   * @param {File} file @param {string} url of the file for this page
   * @param {(sentBytes: number, resumed: boolean) => void} sent hears how many bytes have arrived in all
   * @param {(uploadId: string) => void} opened hears of the session as soon as there is one
   */
  constructor(file, url, sent, opened) {
    this.file = file;
    this.url = url;
    this.sent = sent;
    this.opened = opened;
    this.key = KEPT + markOf(file);
    this.uploadId = "";
    this.resumed = false;
    this.stopped = new AbortController();
    /** @type {Map<number, number>} part -> bytes that arrived */
    this.arrived = new Map();
  }

  /** Send all of it. @returns {Promise<string>} the id of the upload and its video; throws ApiError */
  async run() {
    for (let turn = 1; ; turn += 1) {
      const upload = await this.begin();
      this.uploadId = upload.id;
      this.resumed ||= upload.receivedParts.length > 0;
      this.arrived = new Map(upload.receivedParts.map((/** @type {any} */ part) => [part.partNumber, part.sizeBytes]));
      if (turn === 1) this.opened(upload.id);
      this.tell();
      try {
        if (upload.state === "OPEN") await this.finish(upload);
        localStorage.removeItem(this.key);
        return upload.id;
      } catch (error) {
        // The store lost what it had taken: the session says what is missing now.
        if (!(error instanceof ApiError) || error.code !== "MISSING_PARTS" || turn === TURNS) throw error;
      }
    }
  }

  /** Send what has not arrived, and say that all is there. @param {any} upload */
  async finish(upload) {
    const missing = Array.from({ length: upload.partCount }, (_, at) => at + 1).filter((number) => !this.arrived.has(number));
    await this.sendAll(missing, upload.partSizeBytes);
    await this.again(() => act(COMPLETE, { uploadId: upload.id }));
  }

  /** Stop sending; the session stays open unless it is aborted. */
  stop() {
    this.stopped.abort();
  }

  /** End the session on the server. */
  async cancel() {
    this.stop();
    localStorage.removeItem(this.key);
    if (this.uploadId) await abortUpload(this.uploadId);
  }

  /** The open session of this file, or a new one. @returns {Promise<any>} */
  async begin() {
    const kept = JSON.parse(localStorage.getItem(this.key) ?? "null");
    if (kept && Date.now() - kept.at < KEPT_MS) {
      try {
        const { upload } = await this.again(() => act(START, kept.input));
        if (upload.state === "OPEN" || upload.state === "COMPLETED") return upload;
      } catch (error) {
        if (/** @type {ApiError} */ (error).passes) throw error;
      }
      localStorage.removeItem(this.key);
    }
    const { durationMs, width, height } = await lookAt(this.url);
    const sha256 = await hashOf(this.file).catch(() => null);
    // The name stands before the call: if the answer is lost, the same file finds its session again.
    const input = { requestId: uuid(), sizeBytes: String(this.file.size), mimeType: typeOf(this.file), durationMs, width, height, sha256 };
    localStorage.setItem(this.key, JSON.stringify({ input, at: Date.now() }));
    try {
      const { upload } = await this.again(() => act(START, input));
      localStorage.setItem(this.key, JSON.stringify({ input, at: Date.now(), uploadId: upload.id }));
      return upload;
    } catch (error) {
      if (!(/** @type {ApiError} */ (error).passes)) localStorage.removeItem(this.key);
      throw error;
    }
  }

  /** @param {number[]} numbers @param {number} partSize */
  async sendAll(numbers, partSize) {
    const waiting = [...numbers];
    /** @type {Map<number, {url: string, sizeBytes: number}>} */
    const signed = new Map();
    /** @type {Promise<void> | null} */
    let signing = null;
    const sign = async (/** @type {number} */ number) => {
      const wanted = [number, ...waiting.slice(0, SIGNED_AT_ONCE - 1)];
      const { parts } = await this.again(() => act(SIGN, { uploadId: this.uploadId, partNumbers: wanted }));
      for (const part of parts) signed.set(part.partNumber, part);
    };
    const link = async (/** @type {number} */ number) => {
      while (!signed.has(number)) {
        signing ??= sign(number).finally(() => {
          signing = null;
        });
        await signing;
      }
      return /** @type {{url: string, sizeBytes: number}} */ (signed.get(number));
    };
    const worker = async () => {
      for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
        const part = number;
        await this.again(async () => {
          const { url, sizeBytes } = await link(part);
          const from = (part - 1) * partSize;
          try {
            await this.put(url, this.file.slice(from, from + sizeBytes), part);
          } catch (error) {
            // A link that has ended is signed anew at the next try.
            signed.delete(part);
            throw error;
          }
        });
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, waiting.length) }, worker));
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** @param {string} url @param {Blob} content @param {number} number @returns {Promise<void>} */
  put(url, content, number) {
    return new Promise((resolve, reject) => {
      // fetch does not tell how much of a body has gone.
      const request = new XMLHttpRequest();
      const stop = () => request.abort();
      const end = (/** @type {ApiError | null} */ error) => {
        this.stopped.signal.removeEventListener("abort", stop);
        this.arrived.set(number, error ? 0 : content.size);
        this.tell();
        if (error) reject(error);
        else resolve();
      };
      this.stopped.signal.addEventListener("abort", stop);
      request.upload.onprogress = (event) => {
        this.arrived.set(number, Math.min(event.loaded, content.size));
        this.tell();
      };
      request.onload = () => end(request.status < 300 ? null : refusalOf(request));
      request.onerror = request.ontimeout = () => end(new ApiError("OFFLINE", "the line broke"));
      request.onabort = () => end(new ApiError("STOPPED", "stopped"));
      request.open("PUT", url);
      request.setRequestHeader("content-type", "application/octet-stream");
      request.send(content);
    });
  }

  tell() {
    this.sent([...this.arrived.values()].reduce((sum, bytes) => sum + bytes, 0), this.resumed);
  }

  /** Try until it works or cannot work. @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  async again(work) {
    for (let tried = 1; ; tried += 1) {
      if (this.stopped.signal.aborted) throw new ApiError("STOPPED", "stopped");
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof ApiError) || !error.passes || tried >= TRIES) throw error;
        const pause = error.retryAfterMs || Math.min(10_000, 400 * 2 ** tried) * (0.7 + 0.6 * Math.random());
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }
}

/**
 * What the door or the store of objects says. All but a file that changed may pass: whether an upload is over says the next link.
 * @param {XMLHttpRequest} request @returns {ApiError}
 */
function refusalOf(request) {
  let code = "";
  try {
    code = JSON.parse(request.responseText).code;
  } catch {
    // A store speaks XML; something in between may say anything.
    code = /<Code>(\w{1,64})<\/Code>/.exec(request.responseText)?.[1] ?? "";
  }
  if (code === "BODY_SIZE_MISMATCH") return new ApiError("SIZE_MISMATCH", "the file changed");
  return new ApiError("UNAVAILABLE", `status ${request.status} ${code}`);
}
