import { sentence, titled } from "../app/words";
import { Phase } from "../call/phase";
import type { CallState } from "../call/state";

const WORDS: Readonly<Record<Phase, string>> = {
  choosing: "Not in a call",
  connecting: "Connecting",
  listening: "Listening",
  thinking: "Thinking",
  speaking: "Speaking",
  reconnecting: "Reconnecting",
  ended: "Ended",
};

/** Say what a call is doing. */
export function statusOf(call: CallState): string {
  if (call.phase === Phase.Listening && call.userSpeaking) {
    return "Hearing you";
  }
  if (call.phase === Phase.Listening && call.mode === "typed") {
    return "Ready";
  }
  return WORDS[call.phase];
}

export function Status({ call }: { call: CallState }) {
  return (
    <p class={`status ${call.phase}`}>
      <span class="dot" />
      {statusOf(call)}
    </p>
  );
}

/** What somebody who cannot see the page should hear, and not more. */
export function Announcer({ call }: { call: CallState }) {
  const last = call.entries.findLast((entry) => entry.kind === "said" && !entry.open);
  const words =
    last?.kind === "said"
      ? `${titled(last.task ?? "assistant")}: ${last.segments.map(({ text }) => text).join(" ")}`
      : "";
  const ending = call.ending === null ? "" : `. ${sentence(call.ending.reason)}.`;
  return (
    <div class="unseen">
      <p role="status">{`${statusOf(call)}${ending}`}</p>
      <p aria-live="polite">{words}</p>
    </div>
  );
}
