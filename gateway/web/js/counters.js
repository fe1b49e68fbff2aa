/** The counts of the clip on screen, as they move. */

import { gql } from "./api.js";
import { subscribe } from "./ws.js";

const COUNTERS = gql`subscription Counters($id: ID!) { videoCounters(videoId: $id) { likeCount saveCount shareCount repostCount commentCount } }`;

/** Clips that are swiped past are not asked about. */
const REST_MS = 800;

/** @param {string} videoId @param {(counts: {likeCount: string, saveCount: string, shareCount: string, repostCount: string, commentCount: string}) => void} hear @returns {() => void} stops */
export function followCounts(videoId, hear) {
  let stop = () => {};
  const timer = setTimeout(() => {
    stop = subscribe(COUNTERS, { id: videoId }, { next: (data) => hear(data.videoCounters) });
  }, REST_MS);
  return () => {
    clearTimeout(timer);
    stop();
  };
}
