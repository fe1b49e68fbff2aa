/** What was watched: measures stretches and reports them in batches, each stretch under one event id, however often it is sent. */

import { act, ask, gql } from "./api.js";
import { accessToken, hasSession } from "./auth.js";
import { ApiError } from "./errors.js";
import { uuid } from "./random.js";
import { serverNow } from "./servertime.js";

const REPORT = gql`mutation ReportWatch($input: ReportWatchInput!) {
  reportWatch(input: $input) { outcomes userErrors { code message field details { name value } } } }`;

const MOST_REPORTS = 100;
const RETRY_MS = 5000;
/** The server takes a loop only when this share of the clip was watched for it. */
const LOOP_SHARE = 0.8;
/** Reports that a page could not see arrive, for the next page of its tab. */
const UNSENT = "clipmesh.unsent";
/** Outcomes after which the server has a report. */
const HAD = ["ACCEPTED", "DUPLICATE"];

/** @typedef {{eventId: string, viewToken: string, watchedMs: number, loops: number, paused: boolean, at: string}} Report */

/** One stretch on one clip: the time in which it really played. */
export class Stretch {
  /** @param {string} viewToken @param {number} durationMs */
  constructor(viewToken, durationMs) {
    this.viewToken = viewToken;
    this.durationMs = durationMs;
    this.eventId = uuid();
    this.watchedMs = 0;
    this.loops = 0;
    this.paused = false;
    /** @type {number | null} monotonic time since which it plays */
    this.since = null;
  }

  /** @param {boolean} playing @param {number} [now] */
  plays(playing, now = performance.now()) {
    if (this.since !== null) this.watchedMs += now - this.since;
    this.since = playing ? now : null;
  }

  /** The report of the stretch so far; null when nothing was seen. @param {number} [now] @returns {Report | null} */
  end(now = performance.now()) {
    this.plays(false, now);
    const watchedMs = Math.round(this.watchedMs);
    if (watchedMs < 1) return null;
    const loops = Math.min(this.loops, Math.floor(watchedMs / (this.durationMs * LOOP_SHARE)));
    return { eventId: this.eventId, viewToken: this.viewToken, watchedMs, loops, paused: this.paused, at: new Date(serverNow()).toISOString() };
  }
}

/** Keeps reports until the server has them. */
export class WatchLog {
  constructor() {
    /** @type {Map<string, Report>} */
    this.pending = new Map(JSON.parse(sessionStorage.getItem(UNSENT) ?? "[]"));
    /** @type {Promise<void> | null} */
    this.sending = null;
    /** @type {number | undefined} */
    this.retry = undefined;
  }

  /** @param {Report | null} report */
  add(report) {
    if (report) this.pending.set(report.eventId, report);
  }

  /** Send what is pending; what does not get through is sent again later. @returns {Promise<void>} never fails */
  flush() {
    this.sending ??= this.send().finally(() => {
      this.sending = null;
    });
    return this.sending;
  }

  async send() {
    clearTimeout(this.retry);
    while (this.pending.size) {
      const reports = [...this.pending.values()].slice(0, MOST_REPORTS);
      try {
        await act(REPORT, { reports });
      } catch (error) {
        if (error instanceof ApiError && error.passes) {
          this.retry = setTimeout(() => this.flush(), Math.max(RETRY_MS, error.retryAfterMs));
          return;
        }
        // What the server refuses for good is not asked again.
      }
      this.done(reports);
    }
  }

  /** @param {Report[]} reports */
  done(reports) {
    for (const report of reports) this.pending.delete(report.eventId);
    if (!this.pending.size) sessionStorage.removeItem(UNSENT);
  }

  /** Send while the page goes away: nobody waits for the answer, and if the page, or the next one of the tab, comes back it is sent again under the same ids. */
  flushAtHide() {
    if (!this.pending.size) return;
    sessionStorage.setItem(UNSENT, JSON.stringify([...this.pending].slice(-MOST_REPORTS)));
    // A stranger's report of somebody's view would be refused, and a token cannot be renewed by a page that may be gone in a moment.
    if (!accessToken.now() && hasSession()) return;
    const reports = [...this.pending.values()].slice(0, MOST_REPORTS);
    ask(REPORT, { input: { reports } }, { keepalive: true })
      .then(({ reportWatch }) => this.done(reports.filter((_, at) => HAD.includes(reportWatch.outcomes[at]))))
      .catch(() => undefined);
  }
}
