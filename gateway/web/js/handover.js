/** Changes from one source of a clip to another without a gap: the next one loads behind, catches up, and takes over in the same frame. */

const PREPARE_MS = 12_000;
/** How far ahead the next one waits for the present one, in seconds. */
const LEAD_S = 1.5;

/**
 * @param {HTMLElement} stage @param {HTMLVideoElement} present @param {HTMLVideoElement} next @param {() => void} open gives `next` its source
 * @param {"canplay" | "canplaythrough"} enough when so much of it is there that it can take over
 * @param {() => boolean} wanted false when there is no use in it any more
 * @returns {Promise<boolean>} true when `next` plays in the place of `present`
 */
export async function handOver(stage, present, next, open, enough, wanted) {
  next.className = "behind";
  next.muted = true;
  next.preload = "auto";
  open();
  const meet = Math.min(present.currentTime + LEAD_S, Math.max(0, present.duration - 0.5) || present.currentTime);
  stage.prepend(next);
  const ready = await happens(next, "loadedmetadata", PREPARE_MS);
  if (ready) next.currentTime = meet;
  if (!ready || !(await happens(next, enough, PREPARE_MS)) || !(await reaches(present, next.currentTime, wanted))) {
    discard(next);
    return false;
  }
  // A stalled or looped present one is somewhere else by now.
  if (Math.abs(next.currentTime - present.currentTime) > 0.3) next.currentTime = present.currentTime;
  try {
    await next.play();
  } catch {
    discard(next);
    return false;
  }
  next.muted = present.muted;
  next.className = "";
  present.muted = true;
  present.pause();
  return true;
}

/** @param {HTMLVideoElement} video */
function discard(video) {
  video.removeAttribute("src");
  video.load();
  video.remove();
}

/** @param {HTMLVideoElement} video @param {string} name @param {number} within ms @returns {Promise<boolean>} */
function happens(video, name, within) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end(false), within);
    const yes = () => end(true);
    const no = () => end(false);
    video.addEventListener(name, yes);
    video.addEventListener("error", no);
    /** @param {boolean} came */
    function end(came) {
      clearTimeout(timer);
      video.removeEventListener(name, yes);
      video.removeEventListener("error", no);
      resolve(came);
    }
  });
}

/**
 * Wait until the present one is at a place, stands still for lack of data, or has begun anew.
 * @param {HTMLVideoElement} present @param {number} place seconds @param {() => boolean} wanted @returns {Promise<boolean>}
 */
function reaches(present, place, wanted) {
  const limit = performance.now() + PREPARE_MS;
  return new Promise((resolve) => {
    const look = () => {
      if (!wanted() || performance.now() > limit) resolve(false);
      else if (present.currentTime >= place || present.readyState < 3 || present.currentTime < place - 2 * LEAD_S) resolve(true);
      else requestAnimationFrame(look);
    };
    look();
  });
}
