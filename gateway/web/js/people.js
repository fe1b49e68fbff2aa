/** What stands between the viewer and other people: followed, blocked, muted at once, taken back when the server refuses. */

import { act, gql } from "./api.js";
import { hasSession } from "./auth.js";
import { h, toast } from "./dom.js";
import { Wish } from "./wish.js";

const FOLLOW = gql`mutation Follow($input: FollowInput!) { follow(input: $input) {
  relationship { follow followedBy blocks mutes } userErrors { code message field details { name value } } } }`;
const UNFOLLOW = gql`mutation Unfollow($input: UnfollowInput!) { unfollow(input: $input) {
  relationship { follow followedBy blocks mutes } userErrors { code message field details { name value } } } }`;
const BLOCK = gql`mutation Block($input: BlockInput!) { block(input: $input) {
  relationship { follow followedBy blocks mutes } userErrors { code message field details { name value } } } }`;
const UNBLOCK = gql`mutation Unblock($input: UnblockInput!) { unblock(input: $input) {
  relationship { follow followedBy blocks mutes } userErrors { code message field details { name value } } } }`;
const MUTE = gql`mutation Mute($input: MuteInput!) { mute(input: $input) {
  relationship { follow followedBy blocks mutes } userErrors { code message field details { name value } } } }`;
const UNMUTE = gql`mutation Unmute($input: UnmuteInput!) { unmute(input: $input) {
  relationship { follow followedBy blocks mutes } userErrors { code message field details { name value } } } }`;
const REMOVE = gql`mutation RemoveFollower($input: RemoveFollowerInput!) { removeFollower(input: $input) {
  relationship { follow followedBy blocks mutes } userErrors { code message field details { name value } } } }`;
const APPROVE = gql`mutation ApproveFollow($input: ApproveFollowInput!) { approveFollow(input: $input) {
  relationship { follow followedBy blocks mutes } userErrors { code message field details { name value } } } }`;
const DECLINE = gql`mutation DeclineFollow($input: DeclineFollowInput!) { declineFollow(input: $input) {
  relationship { follow followedBy blocks mutes } userErrors { code message field details { name value } } } }`;

/**
 * @typedef {{follow: string, followedBy: string, blocks: boolean, mutes: boolean}} Relationship
 * @typedef {{id: string, handle: string, displayName: string, avatar?: {url: string | null} | null, isPrivate?: boolean, relationship: Relationship | null}} Person
 */

/** @type {Relationship} */
const STRANGERS = { follow: "NONE", followedBy: "NONE", blocks: false, mutes: false };

/** The viewer and one person, the same for every button of the page. */
export class Bond {
  /** @param {Person} person */
  constructor(person) {
    this.person = person;
    /** What the server said last. */
    this.state = person.relationship ?? STRANGERS;
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    const show = () => this.show();
    this.following = new Wish(this.state.follow !== "NONE", (on, id) => this.tell(on ? FOLLOW : UNFOLLOW, id), show);
    this.blocking = new Wish(this.state.blocks, (on, id) => this.tell(on ? BLOCK : UNBLOCK, id), show);
    this.muting = new Wish(this.state.mutes, (on, id) => this.tell(on ? MUTE : UNMUTE, id), show);
    this.followed = new Wish(this.state.followedBy, (next, id) => this.tell(this.answering(next), id), show);
  }

  /** @param {string} document @param {string} requestId */
  async tell(document, requestId) {
    const { relationship } = await act(document, { userId: this.person.id, requestId });
    if (!relationship) return;
    this.state = relationship;
    // A block ends follows in both directions.
    this.following.hear(relationship.follow !== "NONE");
    this.followed.hear(relationship.followedBy);
    this.blocking.hear(relationship.blocks);
    this.muting.hear(relationship.mutes);
  }

  /** What makes the person's follow of the viewer so. @param {string} next */
  answering(next) {
    if (next === "FOLLOWING") return APPROVE;
    return this.followed.known === "REQUESTED" ? DECLINE : REMOVE;
  }

  /** @returns {string} FollowState as the person wants it */
  get follow() {
    if (!this.following.wanted || this.blocking.wanted) return "NONE";
    if (this.state.follow !== "NONE") return this.state.follow;
    return this.person.isPrivate ? "REQUESTED" : "FOLLOWING";
  }

  /** @returns {boolean} */
  get areFriends() {
    return this.follow === "FOLLOWING" && this.followed.wanted === "FOLLOWING";
  }

  show() {
    for (const listener of this.listeners) listener();
  }
}

/** @type {Map<string, Bond>} */
const bonds = new Map();

/** @param {Person} person @returns {Bond} */
export function bondOf(person) {
  const bond = bonds.get(person.id) ?? new Bond(person);
  bonds.set(person.id, bond);
  return bond;
}

/**
 * A button that follows a person and stops following them; null where there is nothing to follow: oneself, or nobody knows.
 * @param {Person} person @param {string} [kind] classes of the button @returns {HTMLButtonElement | null}
 */
export function followButton(person, kind = "button small") {
  if (!person.relationship && hasSession()) return null;
  const bond = bondOf(person);
  const press = () => {
    if (hasSession()) bond.following.want(bond.follow === "NONE");
    else toast("Sign in to follow people.");
  };
  const button = h("button", { type: "button", onclick: press });
  const show = () => {
    const { follow } = bond;
    const words = /** @type {Record<string, string>} */ ({ FOLLOWING: bond.areFriends ? "Friends" : "Following", REQUESTED: "Requested" });
    const word = words[follow] ?? (bond.followed.wanted === "FOLLOWING" ? "Follow back" : "Follow");
    button.className = `follow ${kind}${follow === "NONE" ? " primary" : ""}`;
    button.hidden = bond.blocking.wanted;
    button.replaceChildren(word, h("span", { class: "hidden-text" }, ` @${person.handle}`));
  };
  bond.listeners.add(show);
  show();
  return button;
}
