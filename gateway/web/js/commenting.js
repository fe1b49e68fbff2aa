/** Comments as the server knows them: pages of threads, replies, the way to one comment, and what can be done with one. */

import { act, ask, gql } from "./api.js";

/**
 * @typedef {object} Comment
 * @property {string} id @property {string | null} parentId @property {string | null} answersId @property {string} text @property {string} state CommentState
 * @property {string} postedAt @property {string | null} editedAt @property {string | null} authorId @property {{id: string, handle: string, displayName: string, avatar?: {url: string | null} | null} | null} author
 * @property {{id: string, handle: string}[]} mentions @property {string} likeCount @property {boolean} liked @property {boolean} pinned
 * @property {string} totalChildren @property {number} level 1 to 5 @property {{node: Comment}[]} [children] @property {string | null} [childrenCursor]
 */

// The documents stand whole, so that a test can read them: fragments would be put together at run time.
const COMMENTS = gql`query Comments($id: ID!, $order: CommentOrder!, $first: Int!, $after: String) { video(id: $id) { commentCount switches { allowComments } creator { id }
  comments(order: $order, first: $first, after: $after, levels: 2, children: 3) { edges { node {
    id parentId answersId text state postedAt editedAt authorId author { id handle displayName avatar { url(size: 64) } } mentions { id handle } likeCount liked pinned totalChildren level childrenCursor
    children { node { id parentId answersId text state postedAt editedAt authorId author { id handle displayName avatar { url(size: 64) } } mentions { id handle } likeCount liked pinned totalChildren level childrenCursor } } } }
  pageInfo { hasNextPage endCursor } } } }`;
const REPLIES = gql`query Replies($id: ID!, $commentId: ID!, $first: Int!, $after: String) { video(id: $id) {
  replies(commentId: $commentId, first: $first, after: $after, levels: 1) { edges { node {
    id parentId answersId text state postedAt editedAt authorId author { id handle displayName avatar { url(size: 64) } } mentions { id handle } likeCount liked pinned totalChildren level } }
  pageInfo { hasNextPage endCursor } } } }`;
const PATH = gql`query CommentPath($id: ID!, $commentId: ID!) { video(id: $id) { commentPath(commentId: $commentId) {
  id parentId answersId text state postedAt editedAt authorId author { id handle displayName avatar { url(size: 64) } } mentions { id handle } likeCount liked pinned totalChildren level } } }`;
const HELD = gql`query HeldComments($first: Int!, $after: String) { heldComments(first: $first, after: $after) { edges { node {
  id videoId parentId answersId text state postedAt editedAt authorId author { id handle displayName avatar { url(size: 64) } } mentions { id handle } likeCount liked pinned totalChildren level } }
  pageInfo { hasNextPage endCursor } } }`;

const POST = gql`mutation PostComment($input: PostCommentInput!) { postComment(input: $input) { comment {
  id parentId answersId text state postedAt editedAt authorId author { id handle displayName avatar { url(size: 64) } } mentions { id handle } likeCount liked pinned totalChildren level }
  userErrors { code message field details { name value } } } }`;
const EDIT = gql`mutation EditComment($input: EditCommentInput!) { editComment(input: $input) { comment { text state editedAt mentions { id handle } }
  userErrors { code message field details { name value } } } }`;
const DELETE = gql`mutation DeleteComment($input: DeleteCommentInput!) { deleteComment(input: $input) { deletedCommentId
  userErrors { code message field details { name value } } } }`;
const LIKE = gql`mutation LikeComment($input: LikeCommentInput!) { likeComment(input: $input) { liked likeCount
  userErrors { code message field details { name value } } } }`;
const UNLIKE = gql`mutation UnlikeComment($input: UnlikeCommentInput!) { unlikeComment(input: $input) { liked likeCount
  userErrors { code message field details { name value } } } }`;
const HIDE = gql`mutation HideComment($input: HideCommentInput!) { hideComment(input: $input) { comment { state }
  userErrors { code message field details { name value } } } }`;
const APPROVE = gql`mutation ApproveComment($input: ApproveCommentInput!) { approveComment(input: $input) { comment { state }
  userErrors { code message field details { name value } } } }`;
const PIN = gql`mutation PinComment($input: PinCommentInput!) { pinComment(input: $input) { comment { pinned }
  userErrors { code message field details { name value } } } }`;
const UNPIN = gql`mutation UnpinComment($input: UnpinCommentInput!) { unpinComment(input: $input) { comment { pinned }
  userErrors { code message field details { name value } } } }`;

const REVISIONS = gql`query CommentRevisions($commentId: ID!, $first: Int!, $after: String) { commentRevisions(commentId: $commentId, first: $first, after: $after) {
  edges { node { revision text writtenAt } } pageInfo { hasNextPage endCursor } } }`;

/** Replies that "more" brings at once. */
const MORE = 10;

/** @param {string} id of the video @param {string} order @param {number} first @param {string | null} after @returns {Promise<any>} the video with its comments; null when it is not there */
export async function threadsOf(id, order, first, after) {
  return (await ask(COMMENTS, { id, order, first, after })).video;
}

/** @param {string} id of the video @param {string} commentId @param {string | null} after @returns {Promise<any>} a connection; null when the comment is not there */
export async function repliesOf(id, commentId, after) {
  return (await ask(REPLIES, { id, commentId, first: MORE, after })).video?.replies ?? null;
}

/** @param {string} id of the video @param {string} commentId @returns {Promise<Comment[]>} from the top of the thread to the comment; empty when it is not there */
export async function pathTo(id, commentId) {
  return (await ask(PATH, { id, commentId })).video?.commentPath ?? [];
}

/** What waits for the viewer's approval, under all clips. @param {string | null} after @returns {Promise<any>} a connection */
export async function heldComments(after) {
  return (await ask(HELD, { first: MORE, after })).heldComments;
}

/** What a comment said before, newest first: for who wrote it, and whose clip it is under. @param {string} commentId @param {string | null} after @returns {Promise<any>} a connection */
export async function revisionsOf(commentId, after) {
  return (await ask(REVISIONS, { commentId, first: MORE, after })).commentRevisions;
}

/** @param {{requestId: string, videoId: string, text: string, answersId: string | null}} input @returns {Promise<Comment>} */
export async function post(input) {
  return (await act(POST, input)).comment;
}

/** @param {string} commentId @param {string} text @param {string} requestId */
export async function edit(commentId, text, requestId) {
  return (await act(EDIT, { requestId, commentId, text })).comment;
}

/** @param {string} commentId @param {string} requestId */
export function remove(commentId, requestId) {
  return act(DELETE, { requestId, commentId });
}

/** @param {boolean} on @param {string} videoId @param {string} commentId @param {string} requestId */
export function like(on, videoId, commentId, requestId) {
  return on ? act(LIKE, { requestId, videoId, commentId }) : act(UNLIKE, { requestId, commentId });
}

/** @param {boolean} on whether others shall see it @param {string} commentId @param {string} requestId */
export function show(on, commentId, requestId) {
  return act(on ? APPROVE : HIDE, { requestId, commentId });
}

/** @param {boolean} on @param {string} commentId @param {string} requestId */
export function pin(on, commentId, requestId) {
  return act(on ? PIN : UNPIN, { requestId, commentId });
}
