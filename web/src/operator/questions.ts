/** What is asked before something is done, and what is said of it afterwards. */

import type { Answer, Server, ServerInfo, SessionInfo } from "./api";
import { counted, refusal } from "./words";

export type Question =
  | { kind: "end"; session: SessionInfo }
  | { kind: "end-all"; principal: string; count: number | null }
  | { kind: "drain" };

/** The words of a confirmation. */
export interface Confirmation {
  title: string;
  consequences: readonly string[];
  action: string;
}

/** Write what will happen. */
export function confirmation(
  question: Question,
  info: ServerInfo | null,
  sessions: number | null,
): Confirmation {
  switch (question.kind) {
    case "end":
      return endingOne(question.session);
    case "end-all":
      return endingAll(question.principal, question.count);
    case "drain":
      return draining(info, sessions);
  }
}

function endingOne(session: SessionInfo): Confirmation {
  const { answering, assistant, id, principal } = session;
  return {
    title: `End session ${id.slice(0, 8)}?`,
    consequences: [
      `The call of ${principal} with ${assistant} ends at once.`,
      ...(answering ? ["An answer is under way; it is cut short."] : []),
      "Its caller is told that an operator ended it (4008), and does not come back by itself. No other session is touched.",
    ],
    action: "End session",
  };
}

function endingAll(principal: string, count: number | null): Confirmation {
  return {
    title: `End every session of ${principal}?`,
    consequences: [
      count === null
        ? "All of its sessions end at once, those with other assistants and states too."
        : `${counted(count, "session")} ${count === 1 ? "ends" : "end"} at once, whatever other filters say; answers under way are cut short.`,
      "The callers are told that an operator ended them (4008). The principal may still open new ones: take its token back to keep it out.",
    ],
    action: count === null ? "End all" : `End ${counted(count, "session")}`,
  };
}

function draining(info: ServerInfo | null, sessions: number | null): Confirmation {
  const limit = info === null ? "its drain timeout" : `${info.drain_timeout_s} s`;
  return {
    title: "Drain and stop the server?",
    consequences: [
      "From now on no caller is let in, on any of its processes, and callers who wait are sent away.",
      sessions === 0
        ? "There are no sessions."
        : `${sessions === null ? "Every session" : counted(sessions, "session")} ${sessions === null || sessions === 1 ? "ends" : "end"}: answers under way are heard to their end, within ${limit}. The callers are told to dial again elsewhere (1001).`,
      "Then the server stops, and this page with it. It cannot be taken back here.",
    ],
    action: "Drain and stop",
  };
}

/** Do it, and say what came of it. */
export async function carryOut(question: Question, server: Server): Promise<Answer<string>> {
  switch (question.kind) {
    case "end":
      return said(
        await server.end(question.session.id),
        () => `Session ${question.session.id.slice(0, 8)} was told to end.`,
      );
    case "end-all":
      return said(await server.endAllOf(question.principal), ({ ended, silent_processes }) =>
        [
          `${counted(ended, "session")} of ${question.principal} ${ended === 1 ? "was" : "were"} told to end.`,
          ...(silent_processes > 0
            ? [`${counted(silent_processes, "process")} did not answer; sessions there go on.`]
            : []),
        ].join(" "),
      );
    case "drain":
      return said(
        await server.drain(),
        ({ sessions, timeout_s }) =>
          `The server drains: ${counted(sessions, "session")} left, ${timeout_s} s at most.`,
      );
  }
}

function said<T>(answer: Answer<T>, say: (value: T) => string): Answer<string> {
  return answer.kind === "ok" ? { kind: "ok", value: say(answer.value) } : answer;
}

/** Say why nothing came of it. */
export function failure(answer: Exclude<Answer<never>, { kind: "ok" }>): string {
  return answer.kind === "unreachable"
    ? "The server did not answer. Whether it heard is not known: look at the sessions."
    : refusal(answer.problem);
}
