/** Numbers as an operator reads them. */

import type { Problem } from "./api";

/** A duration: `7 s`, `3:07`, `1:02:03`, `2 d 03:04`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours === 0) return `${minutes}:${two(whole % 60)}`;
  if (hours < 24) return `${hours}:${two(minutes)}:${two(whole % 60)}`;
  return `${Math.floor(hours / 24)} d ${two(hours % 24)}:${two(minutes)}`;
}

/** A time span in words: `7 seconds`, `12 minutes`, `1 hour`. */
export function span(seconds: number): string {
  if (seconds < 90) return counted(Math.round(seconds), "second");
  if (seconds < 3570) return counted(Math.round(seconds / 60), "minute");
  return counted(Math.round(seconds / 3600), "hour");
}

/** Bytes: `0 B`, `950 B`, `12.3 kB`, `4.0 MB`. */
export function bytes(count: number): string {
  if (count < 999.5) return `${Math.round(count)} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let [value, place] = [count / 1000, 0];
  while (value >= 999.95 && place < units.length - 1) {
    value /= 1000;
    place += 1;
  }
  return `${value.toFixed(1)} ${units[place] ?? ""}`;
}

/** A rate: `0`, `0.4`, `12.3`, `1,204`. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return "0";
  if (perSecond < 0.05) return "< 0.1";
  return perSecond < 99.95 ? perSecond.toFixed(1) : whole(perSecond);
}

/** A whole number, with marks at the thousands. */
export function whole(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** A latency: `0.4 ms`, `12 ms`, `1.24 s`. */
export function latency(seconds: number): string {
  if (seconds >= 0.9995) return `${seconds.toFixed(2)} s`;
  const ms = seconds * 1000;
  return ms < 9.95 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** A number of things: `1 session`, `3 sessions`. */
export function counted(count: number, thing: string): string {
  return `${whole(count)} ${thing}${count === 1 ? "" : "s"}`;
}

/** The time of day. */
export function clock(at: number): string {
  return new Date(at).toLocaleTimeString("en-GB");
}

/** What the server said, in the words of docs/operations.md where there are better ones. */
export function refusal(problem: Problem): string {
  const words = REFUSALS[problem.code] ?? capitalised(`${problem.detail}.`);
  const again =
    problem.retryAfterS === null ? "" : ` Asking again may help in ${span(problem.retryAfterS)}.`;
  return `${words} (${problem.status} ${problem.code})${again}`;
}

const REFUSALS: Record<string, string> = {
  no_token: "The server wants an administrator’s token.",
  wrong_token: "Nobody has this token: it is mistyped, or was taken back.",
  expired_token: "This token has expired. Make a new one.",
  not_admin: "This token has no right to administer the server.",
  wrong_origin: "This page’s address may not administer the server: see TRUNKLINE_ALLOWED_ORIGINS.",
  no_session: "This session has ended already.",
  too_many_wrong_tokens:
    "Too many wrong tokens came from this address; right ones are not looked at either.",
};

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
